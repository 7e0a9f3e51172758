/*
 * acls - reading ACLs: one, and lists of any length.
 */
#include "iamd/api/handlers.h"
#include "iamd/api/json.h"
#include "iamd/api/paging.h"
#include "iamd/api/services.h"

static const struct paging_form acls_form = {
	.path = {"/acs/api/v1/acls", sizeof "/acs/api/v1/acls" - 1},
	.id_name = "resource ID",
	.id_max = IAM_RID_MAX_BYTES,
	.takes_q = true,
};

static bool acl_row(const struct acl *acl, void *ctx)
{
	struct paging *p = ctx;

	if (paging_writes(p))
		json_acl(&p->w, NULL, acl);
	return paging_row(p, acl->rid);
}

static enum iam_err acl_rows(struct paging *p, struct db *db, const struct page_query *q)
{
	return store_acl_list(db, q, acl_row, p);
}

enum iam_err api_acls_list(struct req *r, struct resp *out)
{
	struct paging *p = NULL;
	enum iam_err e = paging_new(r, &acls_form, &p);

	return e == IAM_OK ? paging_answer(r, out, p, acl_rows) : e;
}

enum iam_err api_acl_get(struct req *r, struct resp *out)
{
	struct db *db = store_reader(r->svc->store);
	struct str rid = req_param(r, "rid");
	struct json_doc d;
	struct acl acl;
	enum iam_err e;

	if (db == NULL)
		return IAM_UNAVAILABLE;
	e = store_acl_get(db, r->arena, rid, &acl);
	if (e == IAM_NO_RESOURCE)
		return api_no_resource(r, rid);
	if (e != IAM_OK)
		return e;
	json_doc_begin(&d, r);
	json_acl(&d.w, NULL, &acl);
	return json_doc_end(&d, out, 200);
}
