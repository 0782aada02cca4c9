/* The commands of pulmo. Each takes its own arguments, argv[0] being its name, and
 * returns the exit code of the process. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_phantom(int argc, char **argv);
int command_cache(int argc, char **argv);
int command_info(int argc, char **argv);
int command_status(int argc, char **argv);
int command_froc(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_report(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_why(int argc, char **argv);

#endif
