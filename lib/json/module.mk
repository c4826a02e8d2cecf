SRC += lib/json/jread.c lib/json/jout.c
