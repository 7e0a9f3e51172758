/*
 * ldap_pem - is a PEM text what a directory's configuration needs it to be?
 *
 * Judges only: libldap reads the text again when it connects. Pure, any thread.
 */
#ifndef IDP_LDAP_PEM_H
#define IDP_LDAP_PEM_H

#include "iam/err.h"
#include "iam/str.h"

/*
 * Certificates and nothing else; words between them are fine, as in CA bundles.
 * Errors: IAM_LDAP_CONFIG_INVALID with the reason ("holds no certificate ...").
 */
MUST_CHECK enum iam_err ldap_pem_check_certs(struct str pem, struct iam_error *err);

/*
 * One unencrypted private key and its certificate, which stands before all others; further
 * certificates of its chain may follow. The reason never quotes the text. Errors as above.
 */
MUST_CHECK enum iam_err ldap_pem_check_pair(struct str pem, struct iam_error *err);

#endif
