/*
 * ldap_ber - reads the few BER values that stand inside controls.
 *
 * Pure, bounded, no allocation; input is a server's. Definite lengths of at most four bytes and
 * one-byte tags, which is all that RFC 4511 section 5.1 leaves. Fuzzed.
 */
#ifndef IDP_LDAP_BER_H
#define IDP_LDAP_BER_H

#include <stdbool.h>
#include <stdint.h>

#include "libacl/base/str.h"

#define BER_INTEGER      0x02
#define BER_OCTET_STRING 0x04
#define BER_ENUMERATED   0x0A
#define BER_SEQUENCE     0x30

/*
 * Cuts the element at the head of *rest: its tag and content. False (nothing touched): not one whole
 * element there.
 */
bool ldap_ber_take(struct str *rest, unsigned *ret_tag, struct str *ret_content);
/* The same where it must have this tag. */
bool ldap_ber_expect(struct str *rest, unsigned tag, struct str *ret_content);
/* The content of an INTEGER or ENUMERATED of at most four bytes. */
bool ldap_ber_int(struct str content, int32_t *ret);

/*
 * The value of a password policy response (draft-behera-ldap-password-policy section 6.2): its error,
 * the seconds until the password expires, the logins left. What is not in it stays as it was.
 */
void ldap_ber_policy(struct str value, int *error, int *expires_s, int *grace);
/* The cookie of a paged result (RFC 2696 section 2). False: malformed. */
bool ldap_ber_page(struct str value, struct str *ret_cookie);

#endif
