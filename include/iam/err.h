/*
 * err - one enum for every failure, and a text for people.
 *
 * Functions return `enum iam_err`; outputs are untouched unless it is IAM_OK. A function that
 * can say more than the code takes a `struct iam_error *` (may be NULL).
 */
#ifndef IAM_ERR_H
#define IAM_ERR_H

#ifndef MUST_CHECK
#define MUST_CHECK __attribute__((warn_unused_result))
#endif
#ifndef IAM_API
#define IAM_API __attribute__((visibility("default")))
#endif

enum iam_err {
#define X(name, text) IAM_##name,
#include "iam/err.def"
#undef X
	IAM_ERR_COUNT
};

/* LIMIT: an error text is at most 319 bytes; longer ones are cut. */
struct iam_error {
	enum iam_err code;
	char text[320];
};

/* The enum's own name, "NO_USER". Static storage. Thread-safe. */
IAM_API const char *iam_err_name(enum iam_err code);

/* The default text of err.def. Static storage. Thread-safe. */
IAM_API const char *iam_err_text(enum iam_err code);

/* Sets err (may be NULL) to code and the formatted text; returns code. */
IAM_API enum iam_err iam_error_set(struct iam_error *err, enum iam_err code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* it sees one file at a time: this tells it that `code` comes back */
#define iam_error_set(err, code, ...) ((void)(iam_error_set)((err), (code), __VA_ARGS__), (code))
#endif

#endif
