/* cli: the entry points behind the one executable. Each takes its own argv (argv[0] is the
 * command's name) and returns the exit code: 0, 1 for failure, 2 for wrong usage. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

int version_main(int argc, char **argv);
int up_main(int argc, char **argv);
int down_main(int argc, char **argv);
int status_main(int argc, char **argv);
int audit_main(int argc, char **argv);
int dispersion_main(int argc, char **argv);

#endif
