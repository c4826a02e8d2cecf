/* The entry of `cairn ring`. */
#ifndef RING_RING_MAIN_H
#define RING_RING_MAIN_H

/* argv[0] is the command's name. Returns 0 when done, 1 when done with a warning, 2 when not. */
int ring_main(int argc, char **argv);

#endif
