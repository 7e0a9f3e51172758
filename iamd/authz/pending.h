/*
 * pending - do changes that are not published yet bear on who may do what?
 *
 * Requests of one batch share a transaction and are published together, so the published root
 * does not know what earlier ones of the batch changed. Whoever is judged by the root asks here
 * first; on "perhaps" the judgement waits for the publication. Rights over iamd's own objects rest
 * on grants on protected rids alone, hence only changes around those count. WRITE lane, inside
 * publish_enter/leave; no lock, no allocation, no I/O. O(changes).
 */
#ifndef AUTHZ_PENDING_H
#define AUTHZ_PENDING_H

#include <stdbool.h>

#include "iamd/authz/publish.h"
#include "iamd/store/changes.h"

/* Did one perhaps bring a user, group or resource under a protected rid that was not under it before? */
bool pending_protects(const struct root *root, const struct changes *c);

/* Did one perhaps end the user's tokens, or take a right over iamd's own objects from them? */
bool pending_takes(const struct root *root, const struct changes *c, struct str uid);

#endif
