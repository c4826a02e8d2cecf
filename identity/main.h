/* The entry point behind `cairn identity`; see cli/cli.h. */
#ifndef IDENTITY_MAIN_H
#define IDENTITY_MAIN_H

int identity_main(int argc, char **argv);

#endif
