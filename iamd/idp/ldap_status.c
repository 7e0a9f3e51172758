/*
 * ldap_status - judges the answer to a user's bind, and the state attributes of an entry.
 *
 * Does: three tables (result codes, Active Directory's sub-codes, words of 389-ds and FreeIPA).
 * Does not: any network. Invariant: what is not known to be about the account is UNAVAILABLE, never
 * "wrong password"; only an answer of success can be ACCEPTED.
 */
#include "iamd/idp/ldap_status.h"

#include <string.h>

#include "iamd/sys/clock.h"

struct verdict {
	enum idp_result result;
	const char *text;
};

const char *idp_result_name(enum idp_result r)
{
	static const char *const names[IDP_RESULT_COUNT] = {
		[IDP_ACCEPTED] = "accepted",
		[IDP_REJECTED] = "rejected",
		[IDP_UNKNOWN_USER] = "unknown_user",
		[IDP_DISABLED] = "disabled",
		[IDP_EXPIRED] = "expired",
		[IDP_UNAVAILABLE] = "unavailable",
	};

	return (unsigned)r < IDP_RESULT_COUNT ? names[r] : "unavailable";
}

/* RFC 4511 appendix A: those codes that speak of the account; all others are UNAVAILABLE. */
static struct verdict of_code(int code)
{
	switch (code) {
	case 0:
		return (struct verdict){IDP_ACCEPTED, "accepted"};
	case 49: /* invalidCredentials */
		return (struct verdict){IDP_REJECTED, "wrong password"};
	case 48: /* inappropriateAuthentication: the entry has no password */
		return (struct verdict){IDP_REJECTED, "the entry has no password"};
	case 50: /* insufficientAccessRights */
		return (struct verdict){IDP_REJECTED, "the entry may not log in"};
	case 32: /* noSuchObject */
	case 34: /* invalidDNSyntax */
		return (struct verdict){IDP_UNKNOWN_USER, "no such entry"};
	case 19: /* constraintViolation: 389-ds, after too many wrong passwords */
		return (struct verdict){IDP_DISABLED, "account locked"};
	case 8:  /* strongerAuthRequired */
	case 13: /* confidentialityRequired */
		return (struct verdict){IDP_UNAVAILABLE, "the directory asks for TLS"};
	case 51:
	case 52:
		return (struct verdict){IDP_UNAVAILABLE, "the directory is busy"};
	case 10:
		return (struct verdict){
			IDP_UNAVAILABLE, "the directory answered with a referral"};
	default:
		return (struct verdict){
			IDP_UNAVAILABLE, "the directory answered with an error"};
	}
}

/* draft-behera-ldap-password-policy section 6.2; false: nothing that ends a login. */
static bool of_policy(const struct ldap_fault *f, struct verdict *ret)
{
	switch (f->ppolicy_error) {
	case 0:
		*ret = (struct verdict){IDP_EXPIRED, "password expired"};
		return true;
	case 1:
		*ret = (struct verdict){IDP_DISABLED, "account locked"};
		return true;
	case 2:
		*ret = (struct verdict){IDP_EXPIRED, "password must be changed"};
		return true;
	default:
		return false;
	}
}

/* The hexadecimal number behind "data " in Active Directory's text, 0: none. */
static unsigned sub_code(const char *diagnostic)
{
	const char *at = strstr(diagnostic, ", data ");
	unsigned code = 0;

	if (at == NULL)
		return 0;
	at += strlen(", data ");
	for (int i = 0; i < 4; i++, at++) {
		if (*at >= '0' && *at <= '9')
			code = code << 4 | (unsigned)(*at - '0');
		else if ((*at | 32) >= 'a' && (*at | 32) <= 'f')
			code = code << 4 | (unsigned)((*at | 32) - 'a' + 10);
		else
			break;
	}
	return code;
}

static bool of_active_directory(const char *diagnostic, struct verdict *ret)
{
	static const struct {
		unsigned code;
		struct verdict verdict;
	} table[] = {
		{0x525, {IDP_UNKNOWN_USER, "no such entry"}},
		{0x52e, {IDP_REJECTED, "wrong password"}},
		{0x52f, {IDP_DISABLED, "account restricted"}},
		{0x530, {IDP_DISABLED, "not permitted to log in at this time"}},
		{0x531, {IDP_DISABLED, "not permitted to log in from here"}},
		{0x532, {IDP_EXPIRED, "password expired"}},
		{0x533, {IDP_DISABLED, "account disabled"}},
		{0x534, {IDP_DISABLED, "not granted this way of logging in"}},
		{0x701, {IDP_EXPIRED, "account expired"}},
		{0x773, {IDP_EXPIRED, "password must be changed"}},
		{0x775, {IDP_DISABLED, "account locked"}},
	};
	unsigned code = sub_code(diagnostic);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code) {
			*ret = table[i].verdict;
			return true;
		}
	return false;
}

/*
 * 389-ds and FreeIPA refuse inactive accounts with constraintViolation or unwillingToPerform, and only
 * the text says why.
 */
static bool of_words(const char *diagnostic, struct verdict *ret)
{
	static const struct {
		const char *word;
		struct verdict verdict;
	} table[] = {
		{"inactivated", {IDP_DISABLED, "account disabled"}},
		{"disabled", {IDP_DISABLED, "account disabled"}},
		{"ccount expired", {IDP_EXPIRED, "account expired"}},
		{"rincipal is expired", {IDP_EXPIRED, "account expired"}},
		{"assword expired", {IDP_EXPIRED, "password expired"}},
		{"locked", {IDP_DISABLED, "account locked"}},
		{"failed logins", {IDP_DISABLED, "account locked"}},
		{"retry limit", {IDP_DISABLED, "account locked"}},
		{"expired", {IDP_EXPIRED, "account expired"}},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strstr(diagnostic, table[i].word) != NULL) {
			*ret = table[i].verdict;
			return true;
		}
	return false;
}

static struct verdict judge(const struct ldap_fault *f)
{
	struct verdict v;

	if (f->state == LDAP_STATE_TIMEOUT)
		return (struct verdict){IDP_UNAVAILABLE, "no answer in time"};
	if (f->state == LDAP_STATE_TLS)
		return (struct verdict){IDP_UNAVAILABLE, "no TLS with the directory"};
	if (f->state == LDAP_STATE_UNREACHABLE)
		return (struct verdict){
			IDP_UNAVAILABLE, "the directory cannot be reached"};
	if (f->state != LDAP_STATE_OK && f->state != LDAP_STATE_CODE)
		return (struct verdict){
			IDP_UNAVAILABLE, "the directory's answer cannot be used"};
	if (f->state == LDAP_STATE_OK) {
		v = of_code(0);
		(void)of_policy(f, &v);
		return v;
	}
	if (f->code == 0) /* nobody says so; never accepted by mistake */
		return of_code(80);
	if (f->code == 49 && (of_policy(f, &v) || of_active_directory(f->diagnostic, &v)))
		return v;
	if ((f->code == 19 || f->code == 53) &&
		(of_words(f->diagnostic, &v) || of_policy(f, &v)))
		return v;
	return of_code(f->code);
}

enum idp_result ldap_status_of_bind(const struct ldap_fault *f, const char **ret_text)
{
	struct verdict v = judge(f);

	*ret_text = v.text;
	return v.result;
}

/* ------------------------------------------------------------------ an entry's own words */

const char *const ldap_status_attributes[] = {
	"userAccountControl",
	"nsAccountLock",
	"pwdAccountLockedTime",
	"accountExpires",
	NULL,
};

/* ACCOUNTDISABLE */
#define UAC_DISABLED 0x2

static bool has_bit(struct ldap_entry *e, const char *attribute, int64_t bit)
{
	int64_t value;

	return str_to_i64(ldap_entry_value(e, attribute, 0), INT32_MIN, UINT32_MAX,
		       &value) &&
		((uint64_t)value & (uint64_t)bit) != 0;
}

/* accountExpires: 100 ns since 1601; 0 and the largest mean never. */
static bool is_past(struct str file_time)
{
	int64_t value;

	if (!str_to_i64(file_time, 0, INT64_MAX, &value) || value == 0 ||
		value == INT64_MAX)
		return false;
	return value / 10000 - 11644473600000 <= clock_now_ms();
}

bool ldap_status_entry_disabled(struct ldap_entry *e)
{
	if (has_bit(e, "userAccountControl", UAC_DISABLED))
		return true;
	if (str_ieq_c(ldap_entry_value(e, "nsAccountLock", 0), "true"))
		return true;
	/* draft-behera section 5.3.3: this value is "locked by an administrator"; a time passes. */
	if (str_eq_c(ldap_entry_value(e, "pwdAccountLockedTime", 0), "000001010000Z"))
		return true;
	return is_past(ldap_entry_value(e, "accountExpires", 0));
}
