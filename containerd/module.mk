SRC += containerd/containerd.c containerd/report.c
UNIT += tests/unit/containerd/test_containerd.c
