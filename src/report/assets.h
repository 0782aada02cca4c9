/* The page's style and script (assets/), made part of the program when it is built. */
#ifndef REPORT_ASSETS_H
#define REPORT_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_style[], asset_script[];
extern const size_t asset_style_bytes, asset_script_bytes;

#endif
