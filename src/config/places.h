/*
 * Where the files that come with the program are: conf/ of the source tree or of the
 * installation. $PULMO_CONF, else share/pulmo/conf beside the program's bin, else the
 * first conf/ above the folder of the program (a build folder inside the source tree).
 */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

#include "base/status.h"

/* *out = conf/NAME, to be freed. Errors: STATUS_JOB_CONFIG when there is none. Not
 * collective. */
enum status places_conf(const char *name, char **out, struct error *err);

#endif
