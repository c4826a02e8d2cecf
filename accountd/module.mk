SRC += accountd/accountd.c accountd/reaper.c
