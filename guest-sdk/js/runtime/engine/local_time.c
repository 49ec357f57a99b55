/* Local time is what the variable TZ says, which the runtime reads: `runtime/src/zone.rs`. In UTC nobody is asked. */

typedef int32_t WispOffset(int64_t time, bool is_local);
typedef size_t WispZoneName(int64_t time, uint8_t *to, size_t size);

static WispOffset *wisp_offset;
static WispZoneName *wisp_zone_name;

/* NULL, twice: UTC. */
void wisp_set_local_time(WispOffset *offset, WispZoneName *name)
{
    wisp_offset = offset;
    wisp_zone_name = name;
}

/* Seconds east of Greenwich at a time in milliseconds; `is_local`: of clocks that show this time. */
static int32_t wisp_local_offset(int64_t time, bool is_local)
{
    return likely(!wisp_offset) ? 0 : wisp_offset(time, is_local);
}

/* Appends the name of the zone to what `toString` gives, in parentheses. */
static int wisp_append_zone(int64_t time, char *to, int size)
{
    static const char utc[] = " (Coordinated Universal Time)";
    int length;

    if (!wisp_zone_name) {
        memcpy(to, utc, sizeof(utc) - 1);
        return sizeof(utc) - 1;
    }
    to[0] = ' ';
    to[1] = '(';
    length = 2 + wisp_zone_name(time, (uint8_t *)to + 2, size - 3);
    to[length] = ')';
    return length + 1;
}
