import { PROJECT } from '../directory.ts';
import { mayViewProject } from '../permissions.ts';
import { ApiError, answerOrRefusal } from './api-error.ts';
import { authenticate } from './caller.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toJsonAnswer } from './http.ts';

const GET_PROJECT = {
  service: 'cloudresourcemanager',
  method: 'google.cloudresourcemanager.v1.Projects.GetProject',
  scopes: [
    'https://www.googleapis.com/auth/cloud-platform',
    'https://www.googleapis.com/auth/cloud-platform.read-only',
    'https://www.googleapis.com/auth/cloudplatformprojects',
    'https://www.googleapis.com/auth/cloudplatformprojects.readonly',
  ],
} as const;

/**
 * `GET /v1/projects/{id or number}`
 * https://cloud.google.com/resource-manager/reference/rest/v1/projects/get
 */
export function answerProject(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const caller = await authenticate(request, google, GET_PROJECT);
    const name = request.path.slice(request.path.lastIndexOf('/') + 1);
    // As with the real one, a project that isn't there looks like one of somebody else.
    if ((name !== PROJECT.id && name !== PROJECT.number) || !mayViewProject(caller)) {
      throw new ApiError(403, 'PERMISSION_DENIED', 'The caller does not have permission');
    }
    return toJsonAnswer(200, {
      projectNumber: PROJECT.number,
      projectId: PROJECT.id,
      lifecycleState: 'ACTIVE',
      name: 'Emulated project',
      createTime: '2025-01-01T00:00:00.000Z',
    });
  });
}
