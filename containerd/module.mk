SRC += containerd/containerd.c containerd/report.c
