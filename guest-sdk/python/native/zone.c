/* Local time, for a C library that knows UTC only.
 *
 * `localtime`, `mktime` and `strftime` of wasi-libc ask two functions of their own for the zone, and in WebAssembly these
 * have no zone to tell. The build puts the two below in their place, so that everything that asks the C library follows:
 * `time`, `datetime`. Python reads `TZ` and the files of zones, and hands the zone over: see `local_time.py`.
 */

#include "zone.h"

#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600, DAY = 24 * HOUR, BY_DAY = 0, BY_DAY_WITHOUT_29_FEBRUARY = 1 };

/* How far away another offset is looked for when `mktime` is told that the one of that time does not hold: 8.5 years, as in glibc. */
static const int64_t FAR = 268828200;

static struct kind utc = {0, 0, 0};

/* As long as nobody sets one: UTC. Everything but that is in one allocation, which begins at `transitions`. */
static struct {
    int64_t *transitions;
    uint8_t *kind_of;
    struct kind *kinds;
    const char *names;
    struct rule *rule;
    int32_t count; /* Of transitions. */
} zone = {0, 0, &utc, "UTC", 0, 0};

int wisp_set_zone(const struct zone_parts *parts) {
    /* Those with the widest numbers come first, so that all are aligned. */
    size_t length = (size_t)parts->transitions_length + parts->kinds_length + parts->rule_length + parts->kind_of_length +
                    parts->names_length;
    char *place = malloc(length), *old = zone.kinds == &utc ? 0 : (char *)zone.transitions;
    if (!place) return 0;
    zone.transitions = memcpy(place, parts->transitions, parts->transitions_length);
    place += parts->transitions_length;
    zone.kinds = memcpy(place, parts->kinds, parts->kinds_length);
    place += parts->kinds_length;
    zone.rule = parts->rule_length ? memcpy(place, parts->rule, parts->rule_length) : 0;
    place += parts->rule_length;
    zone.kind_of = memcpy(place, parts->kind_of, parts->kind_of_length);
    place += parts->kind_of_length;
    zone.names = memcpy(place, parts->names, parts->names_length);
    zone.count = parts->kind_of_length;
    free(old);
    return 1;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* The first day of a year, in days since 1970. */
static int64_t first_day(int64_t year) {
    int64_t before = year - 1;
    return before * 365 + floor_div(before, 4) - floor_div(before, 100) + floor_div(before, 400) - 719162;
}

static int64_t year_of(int64_t day) {
    int64_t year = 1970 + floor_div(day * 400, 146097);
    while (first_day(year) > day) year--;
    while (first_day(year + 1) <= day) year++;
    return year;
}

/* The day on which a change is, in days since 1970. */
static int64_t day_of_change(const struct change *change, int64_t year) {
    static const int16_t before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t first = first_day(year);
    int is_leap = first_day(year + 1) - first == 366;
    if (change->form == BY_DAY) return first + change->day;
    if (change->form == BY_DAY_WITHOUT_29_FEBRUARY) return first + change->day - 1 + (is_leap && change->day >= 60);
    int64_t begin = first + before_month[change->month - 1] + (is_leap && change->month > 2);
    int64_t end = first + before_month[change->month] + (is_leap && change->month > 1);
    /* 1 January 1970 was a Thursday, day 4 of its week. */
    int64_t weekday = begin + 4 - floor_div(begin + 4, 7) * 7;
    int64_t day = begin + (change->day - weekday + 7) % 7 + (change->week - 1) * 7;
    return day < end ? day : day - 7;
}

static const struct kind *by_rule(int64_t t) {
    const struct kind *standard = &zone.kinds[zone.rule->standard], *daylight = &zone.kinds[zone.rule->daylight];
    int64_t year = year_of(floor_div(t + standard->offset, DAY));
    int64_t start = day_of_change(&zone.rule->start, year) * DAY + zone.rule->start.time - standard->offset;
    int64_t end = day_of_change(&zone.rule->end, year) * DAY + zone.rule->end.time - daylight->offset;
    /* South of the equator it ends before it starts. */
    int is_dst = start < end ? start <= t && t < end : t < end || start <= t;
    return is_dst ? daylight : standard;
}

/* How many transitions there are until `t`. */
static int32_t passed(int64_t t) {
    int32_t low = 0, high = zone.count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (zone.transitions[middle] <= t) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* What holds after that many transitions, if no rule does. */
static const struct kind *after(int32_t transitions) {
    return &zone.kinds[transitions ? zone.kind_of[transitions - 1] : 0];
}

static const struct kind *kind_at(int64_t t) {
    int32_t number = passed(t);
    return zone.rule && number == zone.count ? by_rule(t) : after(number);
}

/* What holds at a local time. One that is there twice is the first of the two; one that is left out is counted from
 * before the gap. */
static const struct kind *kind_at_local(int64_t t) {
    const struct kind *before = kind_at(t - DAY), *later = kind_at(t + DAY);
    if (kind_at(t - before->offset)->offset == before->offset) return kind_at(t - before->offset);
    return kind_at(t - later->offset)->offset == later->offset ? kind_at(t - later->offset) : before;
}

/* The offset of daylight-saving time if `kind` is standard time, and the other way round: the one that is nearest to `t`, or
 * else an hour more or less, as in glibc. */
static int32_t opposite_of(const struct kind *kind, int64_t t) {
    int32_t here = passed(t), offset = kind->offset + (kind->is_dst ? -HOUR : HOUR);
    if (zone.rule && here == zone.count) {
        return zone.kinds[kind->is_dst ? zone.rule->standard : zone.rule->daylight].offset;
    }
    int64_t nearest = FAR;
    for (int32_t i = here; i > 0 && t - zone.transitions[i - 1] < nearest; i--) {
        if (after(i - 1)->is_dst == kind->is_dst) continue;
        nearest = t - zone.transitions[i - 1];
        offset = after(i - 1)->offset;
    }
    for (int32_t i = here; i < zone.count && zone.transitions[i] - t < nearest; i++) {
        if (after(i + 1)->is_dst == kind->is_dst) continue;
        nearest = zone.transitions[i] - t;
        offset = after(i + 1)->offset;
    }
    return offset;
}

/* `t` is in seconds since 1970, by local time if `local`. Results that are not asked for are null. */
__attribute__((visibility("default"))) void wisp_secs_to_zone(int64_t t, int local, int *is_dst, int *offset, int *opposite,
                                                              const char **name) {
    const struct kind *kind = local ? kind_at_local(t) : kind_at(t);
    if (is_dst) *is_dst = kind->is_dst;
    if (offset) *offset = kind->offset;
    if (opposite) *opposite = opposite_of(kind, t);
    if (name) *name = zone.names + kind->name;
}

/* The name of the zone in a broken-down time. One that was put together by hand has none, and gets that of today's kinds
 * which fits. */
__attribute__((visibility("default"))) const char *wisp_tm_to_tzname(const struct tm *tm) {
    if (tm->__tm_zone) return tm->__tm_zone;
    const struct kind *kind = after(zone.count);
    if (zone.rule) kind = &zone.kinds[tm->tm_isdst > 0 ? zone.rule->daylight : zone.rule->standard];
    return zone.names + kind->name;
}
