"""Groups, grants and users written straight into the database of a stopped daemon."""

ACTIONS = ("create", "read", "update", "delete", "full")


def acl(daemon, rid):
    if daemon.sql("SELECT 1 FROM acls WHERE rid = ?", rid):
        return
    daemon.sql("INSERT INTO acls (rid, rid_folded, description, description_folded) VALUES (?, ?, ?, ?)",
               rid, rid.lower(), f"About {rid}", f"about {rid.lower()}")
    daemon.sql("INSERT INTO acl_search (rowid, rid_folded, description_folded)"
               " SELECT id, rid_folded, description_folded FROM acls WHERE rid = ?", rid)


def grant(daemon, uid, rid, action):
    acl(daemon, rid)
    daemon.sql("INSERT INTO user_grants (uid, rid, action) VALUES (?, ?, ?)", uid, rid, ACTIONS.index(action))


def group(daemon, gid, members=(), grants=(), inside=()):
    """A group with direct members, (rid, action) grants, and the groups it is nested in."""
    daemon.sql("INSERT INTO groups (gid, description, description_folded, provider_type)"
               " VALUES (?, ?, ?, 'internal')", gid, f"Group {gid}", f"group {gid.lower()}")
    daemon.sql("INSERT INTO group_search (rowid, gid_folded, description_folded)"
               " SELECT id, gid_folded, description_folded FROM groups WHERE gid = ?", gid)
    for uid in members:
        member(daemon, gid, uid)
    for rid, action in grants:
        acl(daemon, rid)
        daemon.sql("INSERT INTO group_grants (gid, rid, action) VALUES (?, ?, ?)", gid, rid,
                   ACTIONS.index(action))
    for outer in inside:
        daemon.sql("INSERT INTO group_nesting (gid, sub_gid) VALUES (?, ?)", outer, gid)


def member(daemon, gid, uid):
    daemon.sql("INSERT INTO group_members (gid, uid) VALUES (?, ?)", gid, uid)
