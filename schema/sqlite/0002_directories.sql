-- 0002_directories: LDAP directories, and which accounts, groups and memberships came from them.

-- config: JSON without secrets. sealed: the secrets, encrypted by iamd, bound to this row.
CREATE TABLE directories (
	id TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
	config TEXT NOT NULL,
	sealed BLOB,
	updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An account is one entry of one directory for ever; the rows outlive the directory's configuration.
CREATE TABLE directory_users (
	uid TEXT NOT NULL PRIMARY KEY REFERENCES users (uid) ON DELETE CASCADE,
	directory TEXT NOT NULL,
	subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
	dn TEXT NOT NULL,
	email TEXT NOT NULL,
	disabled_there INTEGER NOT NULL CHECK (disabled_there IN (0, 1)),
	missing_since_ms INTEGER NOT NULL,
	UNIQUE (directory, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE directory_groups (
	gid TEXT NOT NULL PRIMARY KEY REFERENCES groups (gid) ON DELETE CASCADE,
	directory TEXT NOT NULL,
	subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
	dn TEXT NOT NULL,
	missing_since_ms INTEGER NOT NULL,
	partial INTEGER NOT NULL CHECK (partial IN (0, 1)),
	UNIQUE (directory, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX directory_groups_directory ON directory_groups (directory, gid);

-- Which memberships a synchronisation may take away again; those made by hand are not here.
CREATE TABLE directory_members (
	gid TEXT NOT NULL,
	uid TEXT NOT NULL,
	PRIMARY KEY (gid, uid),
	FOREIGN KEY (gid, uid) REFERENCES group_members (gid, uid) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE directory_subgroups (
	gid TEXT NOT NULL,
	sub_gid TEXT NOT NULL,
	PRIMARY KEY (gid, sub_gid),
	FOREIGN KEY (gid, sub_gid) REFERENCES group_nesting (gid, sub_gid) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Where the last synchronisation stands. No reference: it outlives a configuration that is replaced.
CREATE TABLE directory_sync (
	directory TEXT NOT NULL PRIMARY KEY,
	kind TEXT NOT NULL,
	cookie TEXT NOT NULL,
	server TEXT NOT NULL,
	finished_ms INTEGER NOT NULL,
	full_ms INTEGER NOT NULL,
	report TEXT NOT NULL
) STRICT, WITHOUT ROWID;
