// Gets one token the way Google's Go libraries do it, and prints it: clients WAY AUDIENCE [TOKEN].
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	authid "cloud.google.com/go/auth/credentials/idtoken"
	apiid "google.golang.org/api/idtoken"
)

var scopes = []string{"https://www.googleapis.com/auth/cloud-platform"}

func main() {
	ctx := context.Background()
	way, audience := os.Args[1], os.Args[2]
	var text string
	var err error
	switch way {
	case "api-id":
		text, err = apiToken(ctx, audience)
	case "default-id":
		text, err = value(authid.NewCredentials(&authid.Options{Audience: audience}))(ctx)
	case "default-access":
		text, err = value(credentials.DetectDefault(&credentials.DetectOptions{Scopes: scopes}))(ctx)
	case "verify":
		var payload *authid.Payload
		if payload, err = authid.Validate(ctx, os.Args[3], audience); err == nil {
			text = fmt.Sprint(payload.Claims["email"])
		}
	default:
		log.Fatalf("no way %q", way)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
}

func apiToken(ctx context.Context, audience string) (string, error) {
	source, err := apiid.NewTokenSource(ctx, audience)
	if err != nil {
		return "", err
	}
	token, err := source.Token()
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

func value(found *auth.Credentials, err error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err != nil {
			return "", err
		}
		token, err := found.Token(ctx)
		if err != nil {
			return "", err
		}
		return token.Value, nil
	}
}
