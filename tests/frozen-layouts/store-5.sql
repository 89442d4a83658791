BEGIN TRANSACTION;
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    sandbox TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO "approvals" VALUES('0123456789abcdef0123456789abcdef','box1aaaaaaaaaaaaaaaa',1763800002000,'{"id":"0123456789abcdef0123456789abcdef","sandboxId":"box1aaaaaaaaaaaaaaaa","host":"a.example.com","address":null,"port":443,"askedAtMs":1763800002000,"answer":"allow","scope":"session","untilMs":null}');
CREATE TABLE leases (
    thing TEXT NOT NULL,
    number INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    PRIMARY KEY (thing, number)
  ) STRICT, WITHOUT ROWID;
INSERT INTO "leases" VALUES('run2bbbbbbbbbbbbbbbb',0,12542,'349033');
CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    owner TEXT,
    name TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO "policies" VALUES('pol1aaaaaaaaaaaaaaaa',NULL,'web','{"id":"pol1aaaaaaaaaaaaaaaa","name":"web","owner":null,"team":null,"policy":{"rules":[{"action":"allow","host":"api.example.com","ports":[443]}],"otherwise":"ask","deniedNames":"refused","limits":{"connections":1024,"newConnectionsPerSecond":200}},"createdAtMs":1763800000000,"changedAtMs":1763800001000}');
CREATE TABLE "sandboxes" (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    name TEXT,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
INSERT INTO "sandboxes" VALUES(1,'box1aaaaaaaaaaaaaaaa',NULL,'box','stopped','{"startedAtMs":1763800001000,"stoppedAtMs":1763800005000,"expiresAtMs":null,"pausedAtMs":null,"bootTimeMs":212.5,"bootKind":"snapshot","accelerator":"tcg","machine":null,"reason":"stopped","id":"box1aaaaaaaaaaaaaaaa","name":"box","config":{"templateId":"base","name":"box","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"maxProcesses":512,"bootTimeoutMs":30000,"kernelArgs":"quiet","enableNetwork":true,"hostPort":18080,"guestPort":80,"extraDrives":[{"path":"/srv/data.img","mountPath":"/data","fsType":"ext4","readOnly":true}],"hyperv":false,"rateLimits":{"disk":{"bytesPerSecond":1048576},"network":{"operationsPerSecond":500}},"readOnlyRootfs":false,"labels":{"team":"blue"},"env":{"LANG":"C.UTF-8","EMPTY":""},"user":"user","timeoutMs":3600000,"ephemeral":false,"hypervisor":"qemu"},"hypervisor":"qemu","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"createdAtMs":1763800000000,"maker":null,"owner":null,"team":null,"state":"stopped","sequence":1}');
INSERT INTO "sandboxes" VALUES(2,'run2bbbbbbbbbbbbbbbb','user:ann','runner','running','{"startedAtMs":1763800001000,"stoppedAtMs":null,"expiresAtMs":1763803601000,"pausedAtMs":null,"bootTimeMs":212.5,"bootKind":"snapshot","accelerator":"tcg","machine":{"driver":"qemu","id":"run2bbbbbbbbbbbbbbbb","pid":4243,"startTime":"123499","directory":"/var/lib/novasandbox/sandboxes/run2bbbbbbbbbbbbbbbb","socketDirectory":"/run/novasandbox/ab12cd34/run2bbbbbbbbbbbbbbbb","channels":16,"cgroup":"/sys/fs/cgroup/novasandbox/run2bbbbbbbbbbbbbbbb"},"reason":null,"id":"run2bbbbbbbbbbbbbbbb","name":"runner","config":{"templateId":"base","name":"runner","maxProcesses":4096,"bootTimeoutMs":60000,"enableNetwork":true,"guestPort":8080,"extraDrives":[],"hyperv":false,"rateLimits":{},"readOnlyRootfs":false,"labels":{},"env":{},"timeoutMs":0,"ephemeral":false,"hypervisor":"auto"},"hypervisor":"qemu","memoryMb":512,"vcpus":1,"diskSizeMb":4096,"createdAtMs":1763800000000,"maker":null,"owner":"user:ann","team":"crew","state":"running","sequence":2}');
INSERT INTO "sandboxes" VALUES(3,'new3cccccccccccccccc','key:1f2e',NULL,'creating','{"startedAtMs":null,"stoppedAtMs":null,"expiresAtMs":null,"pausedAtMs":null,"bootTimeMs":null,"bootKind":null,"accelerator":null,"machine":null,"reason":null,"id":"new3cccccccccccccccc","name":null,"config":{"templateId":"base","maxProcesses":4096,"bootTimeoutMs":60000,"enableNetwork":true,"guestPort":8080,"extraDrives":[],"hyperv":false,"rateLimits":{},"readOnlyRootfs":false,"labels":{},"env":{},"timeoutMs":0,"ephemeral":true,"hypervisor":"auto"},"hypervisor":"qemu","memoryMb":512,"vcpus":1,"diskSizeMb":4096,"createdAtMs":1763800000000,"maker":{"pid":4242,"startTime":"123456"},"owner":"key:1f2e","team":"key:1f2e","state":"creating","sequence":3}');
CREATE TABLE snapshots (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    name TEXT,
    sandbox TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
INSERT INTO "snapshots" VALUES(1,'snapa1b2c3d4e5f6g7h8',NULL,'before','box1aaaaaaaaaaaaaaaa','{"id":"snapa1b2c3d4e5f6g7h8","name":"before","description":"before the upgrade","owner":null,"team":null,"kind":"memory","labels":{"stage":"one"},"sandboxId":"box1aaaaaaaaaaaaaaaa","sandboxName":"box","parentId":null,"createdAtMs":1763800004000,"config":{"templateId":"base","name":"box","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"maxProcesses":512,"bootTimeoutMs":30000,"kernelArgs":"quiet","enableNetwork":true,"hostPort":18080,"guestPort":80,"extraDrives":[{"path":"/srv/data.img","mountPath":"/data","fsType":"ext4","readOnly":true}],"hyperv":false,"rateLimits":{"disk":{"bytesPerSecond":1048576},"network":{"operationsPerSecond":500}},"readOnlyRootfs":false,"labels":{"team":"blue"},"env":{"LANG":"C.UTF-8","EMPTY":""},"user":"user","timeoutMs":3600000,"ephemeral":false,"hypervisor":"qemu"},"hypervisor":"qemu","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"bootedFrom":{"root":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","rootMark":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","network":"slot"},"memoryFrom":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","memoryBytes":52428800,"diskBytes":1048576,"stoppedMs":41.5,"sequence":1}');
CREATE TABLE volume_uses (
    sandbox TEXT NOT NULL,
    position INTEGER NOT NULL,
    volume TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (sandbox, position)
  ) STRICT, WITHOUT ROWID;
INSERT INTO "volume_uses" VALUES('run2bbbbbbbbbbbbbbbb',0,'vol1aaaaaaaaaaaaaaaa',0,1);
CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    owner TEXT,
    name TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO "volumes" VALUES('vol1aaaaaaaaaaaaaaaa',NULL,'cache','{"id":"vol1aaaaaaaaaaaaaaaa","name":"cache","owner":null,"team":null,"sizeMb":2048,"createdAtMs":1763800000000,"maker":null}');
INSERT INTO "volumes" VALUES('vol2bbbbbbbbbbbbbbbb','user:ann','cache','{"id":"vol2bbbbbbbbbbbbbbbb","name":"cache","owner":"user:ann","team":"crew","sizeMb":64,"createdAtMs":1763800000000,"maker":{"pid":4242,"startTime":"123456"}}');
CREATE INDEX sandboxes_by_state ON sandboxes (state);
CREATE UNIQUE INDEX sandboxes_by_name ON sandboxes (name, ifnull(owner, ''));
CREATE UNIQUE INDEX snapshots_by_name ON snapshots (sandbox, name);
CREATE UNIQUE INDEX volumes_by_name ON volumes (name, ifnull(owner, ''));
CREATE INDEX volume_uses_by_volume ON volume_uses (volume);
CREATE UNIQUE INDEX policies_by_name ON policies (name, ifnull(owner, ''));
CREATE INDEX approvals_by_sandbox ON approvals (sandbox, asked_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sandboxes',4);
INSERT INTO "sqlite_sequence" VALUES('snapshots',1);
PRAGMA user_version = 5;
COMMIT;
