BEGIN TRANSACTION;
CREATE TABLE keys (id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, row TEXT NOT NULL) STRICT;
INSERT INTO keys VALUES('admin','admin00000000000000000000000000000000000000000000000000000000000','{"id":"admin","name":"the admin key","username":null,"team":null,"hash":"admin00000000000000000000000000000000000000000000000000000000000","role":"admin","scopes":[],"createdAtMs":1763800000000,"expiresAtMs":null,"lastUsedAtMs":null,"revoked":false}');
INSERT INTO keys VALUES('a1b2c3d4e5f6','a1b2c3d4e5f60000000000000000000000000000000000000000000000000000','{"id":"a1b2c3d4e5f6","name":"the a1b2c3d4e5f6 key","username":null,"team":"key:a1b2c3d4e5f6","hash":"a1b2c3d4e5f60000000000000000000000000000000000000000000000000000","role":"user","scopes":["vm:read","vm:create"],"createdAtMs":1763800000000,"expiresAtMs":1763886400000,"lastUsedAtMs":1763800001000,"revoked":false}');
INSERT INTO keys VALUES('0f0e0d0c0b0a','0f0e0d0c0b0a0000000000000000000000000000000000000000000000000000','{"id":"0f0e0d0c0b0a","name":"the 0f0e0d0c0b0a key","username":null,"team":"key:0f0e0d0c0b0a","hash":"0f0e0d0c0b0a0000000000000000000000000000000000000000000000000000","role":"readonly","scopes":[],"createdAtMs":1763800000000,"expiresAtMs":null,"lastUsedAtMs":null,"revoked":true}');
CREATE TABLE users (username TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT;
INSERT INTO users VALUES('ann','{"username":"ann","role":"power_user","team":"user:ann","createdAtMs":1763800000000,"password":"scrypt$16384$8$1$c2FsdA==$aGFzaA=="}');
CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT;
INSERT INTO revoked_tokens VALUES('3b0c6a9e-0000-4000-8000-000000000001',1763886400000);
CREATE TABLE answers (
    scope TEXT PRIMARY KEY, body_hash TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, made_at INTEGER NOT NULL
  , principal TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO answers VALUES('5555555555555555555555555555555555555555555555555555555555555555','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',201,'{"id":"box1aaaaaaaaaaaaaaaa"}',1763800000000,'user:ann');
CREATE TABLE idle_timeouts (vm_id TEXT PRIMARY KEY, ms INTEGER NOT NULL) STRICT;
INSERT INTO idle_timeouts VALUES('box1aaaaaaaaaaaaaaaa',900000);
CREATE TABLE login_failures (name TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at INTEGER NOT NULL) STRICT;
INSERT INTO login_failures VALUES('ann',2,1763800000000);
CREATE TABLE forwards (id TEXT PRIMARY KEY, vm_id TEXT NOT NULL, host_port INTEGER NOT NULL, guest_port INTEGER NOT NULL) STRICT;
INSERT INTO forwards VALUES('f1','box1aaaaaaaaaaaaaaaa',18081,80);
CREATE TABLE previews (
    id TEXT PRIMARY KEY, vm_id TEXT NOT NULL, port INTEGER NOT NULL, hash TEXT NOT NULL, expires_at INTEGER NOT NULL,
    rewrite_host INTEGER NOT NULL
  ) STRICT;
INSERT INTO previews VALUES('p1','box1aaaaaaaaaaaaaaaa',3000,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',1763886400000,1);
CREATE INDEX answers_by_age ON answers (made_at);
CREATE INDEX login_failures_by_age ON login_failures (last_at);
PRAGMA user_version = 5;
COMMIT;
