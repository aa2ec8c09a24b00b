/* The escaping functions live on the floor, where every room may use them. */
#ifndef FLEETPROF_CORE_TEXT_H
#define FLEETPROF_CORE_TEXT_H

#include "agent/base/text.h"

#endif
