/* openapi - the description of this interface, as built in. */
#include <string.h>

#include "iamd/api/handlers.h"
#include "iamd/embedded.h"

enum iam_err api_openapi(struct req *r, struct resp *out)
{
	(void)r;
	for (unsigned i = 0; i < embedded_file_count; i++)
		if (strcmp(embedded_files[i].name, "openapi.yaml") == 0)
			return resp_body(out, 200, "application/x-yaml; charset=utf-8",
				embedded_files[i].data);
	return IAM_INTERNAL;
}
