-- 0001_init: users, groups, ACLs, grants, revocations, audit.
--
-- Never edit a migration that was released: its SHA-256 is stored in each database and compared at
-- every start. Times are epoch milliseconds UTC (_ms), microseconds (_us) or seconds (_s) as named;
-- booleans are 0/1; ids compare and sort in byte order. Link tables are WITHOUT ROWID, and every
-- foreign key has an index on its side so that deletions do not scan.

-- What was applied; the number of the last one is also in PRAGMA user_version.
CREATE TABLE migrations (
	number INTEGER NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
	applied_at_ms INTEGER NOT NULL
) STRICT;

-- 'bootstrapped': the first accounts were made, or it was decided that there are none.
CREATE TABLE meta (
	key TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- gen: the last generation handed out to a user. revision: the last published change.
CREATE TABLE counters (
	name TEXT NOT NULL PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('gen', 0), ('revision', 0);

-- id is the generation the user was made with: unique for ever, and what the search index points to.
CREATE TABLE users (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 96),
	uid_folded TEXT GENERATED ALWAYS AS (lower(uid)) VIRTUAL,
	description TEXT NOT NULL,
	description_folded TEXT NOT NULL,
	provider_type TEXT NOT NULL CHECK (provider_type IN ('internal', 'ldap', 'oidc', 'saml')),
	provider_id TEXT NOT NULL,
	password_hash TEXT,
	public_key TEXT,
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	gen INTEGER NOT NULL,
	raised INTEGER NOT NULL CHECK (raised IN (0, 1)),
	created_at_ms INTEGER NOT NULL,
	last_login_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX users_service ON users (uid) WHERE public_key IS NOT NULL;

-- The last generation of users that are gone: a uid that comes back counts as raised.
CREATE TABLE deleted_users (
	uid TEXT NOT NULL PRIMARY KEY,
	gen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Substring index over the folded texts of users (and below: of groups, of ACLs); fed by iamd in the
-- same transaction, never by a trigger (those fail with trusted_schema off).
CREATE VIRTUAL TABLE user_search USING fts5(
	uid_folded, description_folded,
	content = 'users', content_rowid = 'id', columnsize = 0, tokenize = 'trigram'
);

-- id is only what the search index points to, here and in acls; relations are by name.
CREATE TABLE groups (
	id INTEGER NOT NULL PRIMARY KEY,
	gid TEXT NOT NULL UNIQUE CHECK (length(gid) BETWEEN 1 AND 64),
	gid_folded TEXT GENERATED ALWAYS AS (lower(gid)) VIRTUAL,
	description TEXT NOT NULL,
	description_folded TEXT NOT NULL,
	provider_type TEXT NOT NULL CHECK (provider_type IN ('internal', 'ldap', 'oidc', 'saml'))
) STRICT;

CREATE VIRTUAL TABLE group_search USING fts5(
	gid_folded, description_folded,
	content = 'groups', content_rowid = 'id', columnsize = 0, tokenize = 'trigram'
);

CREATE TABLE group_members (
	gid TEXT NOT NULL REFERENCES groups (gid) ON DELETE CASCADE,
	uid TEXT NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
	PRIMARY KEY (gid, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_uid ON group_members (uid, gid);

-- Members of sub_gid are effective members of gid.
CREATE TABLE group_nesting (
	gid TEXT NOT NULL REFERENCES groups (gid) ON DELETE CASCADE,
	sub_gid TEXT NOT NULL REFERENCES groups (gid) ON DELETE CASCADE,
	PRIMARY KEY (gid, sub_gid),
	CHECK (gid <> sub_gid)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_nesting_sub ON group_nesting (sub_gid, gid);

CREATE TABLE acls (
	id INTEGER NOT NULL PRIMARY KEY,
	rid TEXT NOT NULL UNIQUE CHECK (length(rid) >= 1),
	rid_folded TEXT NOT NULL,
	description TEXT NOT NULL,
	description_folded TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE acl_search USING fts5(
	rid_folded, description_folded,
	content = 'acls', content_rowid = 'id', columnsize = 0, tokenize = 'trigram'
);

-- action: 0 create, 1 read, 2 update, 3 delete, 4 full
CREATE TABLE user_grants (
	uid TEXT NOT NULL REFERENCES users (uid) ON DELETE CASCADE,
	rid TEXT NOT NULL REFERENCES acls (rid) ON DELETE CASCADE,
	action INTEGER NOT NULL CHECK (action BETWEEN 0 AND 4),
	PRIMARY KEY (uid, rid, action)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_grants_rid ON user_grants (rid, uid);

CREATE TABLE group_grants (
	gid TEXT NOT NULL REFERENCES groups (gid) ON DELETE CASCADE,
	rid TEXT NOT NULL REFERENCES acls (rid) ON DELETE CASCADE,
	action INTEGER NOT NULL CHECK (action BETWEEN 0 AND 4),
	PRIMARY KEY (gid, rid, action)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_grants_rid ON group_grants (rid, gid);

-- SHA-256 of revoked tokens; expires_at_s 0: never.
CREATE TABLE revocations (
	digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
	expires_at_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_expiry ON revocations (expires_at_s);

CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY,
	at_us INTEGER NOT NULL,
	action TEXT NOT NULL,
	actor TEXT NOT NULL,
	object TEXT NOT NULL,
	result TEXT NOT NULL,
	reason TEXT NOT NULL,
	source_ip TEXT NOT NULL,
	request_id TEXT NOT NULL
) STRICT;
-- Denials can be made by anybody, so only the latest are kept.
CREATE INDEX audit_denied ON audit (id) WHERE result = 'deny';
