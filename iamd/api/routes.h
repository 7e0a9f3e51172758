/*
 * routes - the table of all routes: method, path, who may call, where it runs.
 *
 * The table is the security review: a row that names no authentication or no guard keeps iamd from
 * starting. Additions: a row here, a handler in the resource's file, a path in schema/openapi.yaml.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stdio.h>

#include "iamd/http/router.h"

extern const struct route routes_table[];
extern const unsigned routes_count;

/* 1 + position in the table; 0 for NULL. The index of metrics. */
unsigned routes_index(const struct route *route);

/* Tells the metrics each route's name. Once, at start. */
void routes_name_metrics(void);

/* "METHOD pattern auth guard lane", a line a route: `iamd --print-routes`. */
void routes_print(FILE *out);

#endif
