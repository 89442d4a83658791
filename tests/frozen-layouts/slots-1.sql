BEGIN TRANSACTION;
CREATE TABLE slots (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    home TEXT,
    sandbox TEXT,
    UNIQUE (home, sandbox)
  ) STRICT;
INSERT INTO slots VALUES(1,'held',4243,'123499','/var/lib/novasandbox','run2bbbbbbbbbbbbbbbb');
INSERT INTO slots VALUES(2,'ready',12659,'349313',NULL,NULL);
CREATE TABLE forwards (
    host_port INTEGER PRIMARY KEY,
    guest_port INTEGER NOT NULL,
    slot INTEGER NOT NULL REFERENCES slots (number) ON DELETE CASCADE
  ) STRICT;
INSERT INTO forwards VALUES(18080,80,1);
CREATE TABLE forwarding (interface TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO forwarding VALUES('eth0');
CREATE TABLE latest (number INTEGER NOT NULL) STRICT;
INSERT INTO latest VALUES(2);
CREATE INDEX forwards_by_slot ON forwards (slot);
PRAGMA user_version = 1;
COMMIT;
