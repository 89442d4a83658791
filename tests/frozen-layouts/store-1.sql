BEGIN TRANSACTION;
CREATE TABLE sandboxes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT UNIQUE,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
INSERT INTO sandboxes VALUES(1,'box1aaaaaaaaaaaaaaaa','box','stopped','{"id":"box1aaaaaaaaaaaaaaaa","name":"box","config":{"templateId":"base","name":"box","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"maxProcesses":512,"bootTimeoutMs":30000,"kernelArgs":"quiet","enableNetwork":true,"hostPort":18080,"guestPort":80,"extraDrives":[{"path":"/srv/data.img","mountPath":"/data","fsType":"ext4","readOnly":true}],"readOnlyRootfs":false,"labels":{"team":"blue"},"env":{"LANG":"C.UTF-8","EMPTY":""},"user":"user","timeoutMs":3600000,"ephemeral":false,"hypervisor":"qemu"},"hypervisor":"qemu","memoryMb":1024,"vcpus":2,"diskSizeMb":2048,"createdAtMs":1763800000000,"maker":null,"state":"stopped","startedAtMs":1763800001000,"stoppedAtMs":1763800005000,"expiresAtMs":null,"pausedAtMs":null,"bootTimeMs":212.5,"bootKind":"snapshot","accelerator":"tcg","machine":null,"reason":"stopped","sequence":1}');
INSERT INTO sandboxes VALUES(2,'run2bbbbbbbbbbbbbbbb','runner','running','{"id":"run2bbbbbbbbbbbbbbbb","name":"runner","config":{"templateId":"base","name":"runner","maxProcesses":4096,"bootTimeoutMs":60000,"enableNetwork":true,"guestPort":8080,"extraDrives":[],"readOnlyRootfs":false,"labels":{},"env":{},"timeoutMs":0,"ephemeral":false,"hypervisor":"auto"},"hypervisor":"qemu","memoryMb":512,"vcpus":1,"diskSizeMb":4096,"createdAtMs":1763800000000,"maker":null,"state":"running","startedAtMs":1763800001000,"stoppedAtMs":null,"expiresAtMs":1763803601000,"pausedAtMs":null,"bootTimeMs":212.5,"bootKind":"snapshot","accelerator":"tcg","machine":{"driver":"qemu","id":"run2bbbbbbbbbbbbbbbb","pid":4243,"startTime":"123499","directory":"/var/lib/novasandbox/sandboxes/run2bbbbbbbbbbbbbbbb","socketDirectory":"/run/novasandbox/ab12cd34/run2bbbbbbbbbbbbbbbb","channels":16,"cgroup":"/sys/fs/cgroup/novasandbox/run2bbbbbbbbbbbbbbbb"},"reason":null,"sequence":2}');
INSERT INTO sandboxes VALUES(3,'new3cccccccccccccccc',NULL,'creating','{"id":"new3cccccccccccccccc","name":null,"config":{"templateId":"base","maxProcesses":4096,"bootTimeoutMs":60000,"enableNetwork":true,"guestPort":8080,"extraDrives":[],"readOnlyRootfs":false,"labels":{},"env":{},"timeoutMs":0,"ephemeral":true,"hypervisor":"auto"},"hypervisor":"qemu","memoryMb":512,"vcpus":1,"diskSizeMb":4096,"createdAtMs":1763800000000,"maker":{"pid":4242,"startTime":"123456"},"state":"creating","startedAtMs":null,"stoppedAtMs":null,"expiresAtMs":null,"pausedAtMs":null,"bootTimeMs":null,"bootKind":null,"accelerator":null,"machine":null,"reason":null,"sequence":3}');
CREATE TABLE leases (
    thing TEXT NOT NULL,
    number INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    PRIMARY KEY (thing, number)
  ) STRICT, WITHOUT ROWID;
INSERT INTO leases VALUES('run2bbbbbbbbbbbbbbbb',0,12521,'348999');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('sandboxes',4);
CREATE INDEX sandboxes_by_state ON sandboxes (state);
PRAGMA user_version = 1;
COMMIT;
