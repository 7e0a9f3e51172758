/*
 * uiconfig - the web interface's configuration, with what only the daemon knows added to it.
 *
 * Both files are read anew at each request, as they may change under us. SLOW lane. Set but
 * unreadable or no JSON object: 500, as clients of the original know it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/services.h"

/* LIMIT: of either file. */
#define FILE_MAX_BYTES 65536

/* Reads an open file to its end. */
static enum iam_err read_all(int fd, char *buf, size_t *ret_len)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return IAM_IO;
	while (n > 0 && len <= FILE_MAX_BYTES) {
		n = read(fd, buf + len, FILE_MAX_BYTES + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return n < 0 || len > FILE_MAX_BYTES ? IAM_IO : IAM_OK;
}

/* The file's bytes in the arena; absent when the path is empty. */
static enum iam_err read_file(struct req *r, const char *path, struct str *ret)
{
	size_t len = 0;
	enum iam_err e;
	char *buf;
	int fd;

	*ret = STR_NONE;
	if (path[0] == '\0')
		return IAM_OK;
	buf = arena_alloc(r->arena, FILE_MAX_BYTES + 1);
	if (buf == NULL)
		return IAM_NO_MEMORY;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return IAM_IO;
	e = read_all(fd, buf, &len);
	(void)close(fd);
	if (e == IAM_OK && !str_is_utf8((struct str){buf, len}))
		e = IAM_IO;
	if (e == IAM_OK)
		*ret = (struct str){buf, len};
	return e;
}

/* Copies, so that no published state is held while files are read. */
static enum iam_err find_paths(struct req *r, char **ret_ui, char **ret_id)
{
	PUBLISH_SCOPE(r->svc->publisher, scope);

	*ret_ui = arena_cstr(r->arena, str_c(scope.root->config->ui_config_file));
	*ret_id = arena_cstr(r->arena, str_c(scope.root->config->cluster_id_file));
	return *ret_ui != NULL && *ret_id != NULL ? IAM_OK : IAM_NO_MEMORY;
}

static enum iam_err read_files(struct req *r, struct str *ret_ui, struct str *ret_id)
{
	char *ui_path;
	char *id_path;
	enum iam_err e = find_paths(r, &ui_path, &id_path);

	if (e != IAM_OK)
		return e;
	if (read_file(r, ui_path, ret_ui) != IAM_OK)
		return req_fail(r, IAM_INTERNAL,
			"The file of `ui_config_file` cannot be read");
	if (read_file(r, id_path, ret_id) != IAM_OK)
		return req_fail(r, IAM_INTERNAL,
			"The file of `cluster_id_file` cannot be read");
	return IAM_OK;
}

/* {"clusterConfiguration": {"firstUser": …, "id": …}} into the object. */
static enum iam_err add_cluster(json_t *doc, bool first_user, struct str id)
{
	json_t *cluster = json_pack("{s:b, s:s%}", "firstUser", first_user ? 1 : 0, "id",
		id.ptr != NULL ? id.ptr : "", id.len);

	return json_object_set_new(doc, "clusterConfiguration", cluster) == 0
		? IAM_OK
		: IAM_NO_MEMORY;
}

enum iam_err api_uiconfig(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct str ui = STR_NONE;
	struct str id = STR_NONE;
	struct str body;
	char *text;
	bool any;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = read_files(r, &ui, &id);
	if (e == IAM_OK)
		e = store_user_any_regular(db, &any);
	if (e != IAM_OK)
		return e;
	if (ui.ptr == NULL) {
		r->json = json_object();
	} else if (json_parse(ui, &r->json, NULL) != IAM_OK || !json_is_object(r->json)) {
		return req_fail(r, IAM_INTERNAL,
			"The file of `ui_config_file` is not a JSON object");
	}
	if (r->json == NULL)
		return IAM_NO_MEMORY;
	e = add_cluster(r->json, !any, str_trim(id));
	if (e != IAM_OK)
		return e;
	text = json_dumps(r->json, JSON_INDENT(2));
	body = arena_fmt(r->arena, "%s\n", text != NULL ? text : "");
	e = text != NULL && body.ptr != NULL ? IAM_OK : IAM_NO_MEMORY;
	free(text);
	return e == IAM_OK ? resp_body(out, 200, RESP_JSON_TYPE, body) : e;
}
