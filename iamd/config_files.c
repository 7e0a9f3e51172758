/*
 * config_files - reads the files that options name and every request needs.
 *
 * They become part of the configuration, so that a reload takes all of it over or nothing. Files that
 * are read at each use (ui_config_file), and keys and certificates, are not among them.
 */
#include <stdlib.h>

#include "iamd/authz/path_map.h"
#include "iamd/config.h"
#include "iamd/config_value.h"
#include "libacl/base/str.h"

static enum iam_err read_path_map(struct config *c, struct iam_error *err)
{
	struct iam_error why = {IAM_OK, ""};
	struct path_map *fresh = NULL;
	struct str text;
	char *data = NULL;
	enum iam_err e = config_read_file(c->path_map_file, &data, &text, &why);

	if (e == IAM_OK)
		e = path_map_parse(text, c->path_map_file, &fresh, &why);
	free(data);
	if (e != IAM_OK)
		return iam_error_set(err, e == IAM_NO_MEMORY ? e : IAM_CONFIG,
			"path_map_file: %.250s", why.text);
	path_map_free(c->path_map);
	c->path_map = fresh;
	return IAM_OK;
}

enum iam_err config_read_named_files(struct config *c, struct iam_error *err)
{
	return c->path_map_file[0] != '\0' ? read_path_map(c, err) : IAM_OK;
}
