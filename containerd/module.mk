SRC += containerd/containerd.c containerd/report.c
UNIT += tests/unit/containerd/test_containerd.c tests/unit/containerd/test_device.c
