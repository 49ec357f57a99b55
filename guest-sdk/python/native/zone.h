/* The zone of local time. */

#ifndef WISP_ZONE_H
#define WISP_ZONE_H

#include <stdint.h>
#include <time.h>

/* An offset of local time from UTC, in seconds, and what it is called. */
struct kind {
    int32_t offset;
    int32_t is_dst;
    int32_t name; /* Where its name begins in `zone.names`. */
};

/* One of the two yearly changes of a rule, as POSIX writes them in `TZ`. */
struct change {
    int32_t form; /* 0: day of the year from 0; 1: the same from 1, which never counts 29 February; 2: week and weekday. */
    int32_t month;
    int32_t week;
    int32_t day;
    int32_t time; /* Seconds of the local time that is in force before the change; may be negative, or more than a day. */
};

/* What holds after the last transition. */
struct rule {
    int32_t standard; /* Numbers of kinds. */
    int32_t daylight;
    struct change start;
    struct change end;
};

/* A zone in parts, each with its length in bytes. There is one kind at least; `rule` is empty or one rule. */
struct zone_parts {
    const void *transitions; /* int64_t: seconds since 1970, in their order. */
    const void *kind_of;     /* uint8_t: the number of the kind that begins with each. */
    const void *kinds;
    const void *names;
    const void *rule;
    int32_t transitions_length, kind_of_length, kinds_length, names_length, rule_length;
};

/* Makes it the zone of all local times from now on. 0 if there is no memory for it. */
int wisp_set_zone(const struct zone_parts *parts);

/* These stand in the place of the C library's functions of almost the same names: see `FLATTEN` in the build. */
void wisp_secs_to_zone(int64_t t, int local, int *is_dst, int *offset, int *opposite, const char **name);
const char *wisp_tm_to_tzname(const struct tm *tm);

#endif
