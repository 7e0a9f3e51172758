/*
 * audit_rows - rows of decisions, on their way into the database.
 */
#ifndef API_AUDIT_ROWS_H
#define API_AUDIT_ROWS_H

#include "iamd/api/services.h"

/*
 * Hands the rows to the WRITE lane, copied, best-effort: what the lane refuses or the database cannot
 * take is counted in iamd_audit_dropped_total. Fits struct decision_log_settings; ctx is the services.
 */
void audit_rows_store(void *ctx, const struct audit_row *rows, size_t n_rows);

/* Does the configuration in force want allowed decisions written down? */
bool audit_wants_allows(void *ctx);

#endif
