/* The module `_wisp`: what the runtime has in C. Its callers are `local_time.py` and `hashes.py`, which check what they
 * give. */

#include "cpython.h"
#include "pbkdf2.h"
#include "scrypt.h"
#include "zone.h"

#include <string.h>

static Object *set_zone(Object *self, Object *arguments) {
    struct zone_parts parts;
    const char *format = "y#y#y#y#y#:set_zone";
    if (!PyArg_ParseTuple(arguments, format, &parts.transitions, &parts.transitions_length, &parts.kind_of,
                          &parts.kind_of_length, &parts.kinds, &parts.kinds_length, &parts.names, &parts.names_length,
                          &parts.rule, &parts.rule_length)) {
        return 0;
    }
    return wisp_set_zone(&parts) ? Py_GetConstant(0) : PyErr_NoMemory();
}

static Object *scrypt_mix(Object *self, Object *arguments) {
    const char *blocks;
    int length;
    unsigned n, r;
    if (!PyArg_ParseTuple(arguments, "y#II:scrypt_mix", &blocks, &length, &n, &r)) return 0;
    Object *mixed = PyBytes_FromStringAndSize(blocks, length);
    if (!mixed) return 0;
    if (wisp_scrypt_mix(PyBytes_AsString(mixed), (unsigned)length / (128 * r), n, r)) return mixed;
    Py_DecRef(mixed);
    return PyErr_NoMemory();
}

/* None if there is no such hash function here. */
static Object *pbkdf2_iterate(Object *self, Object *arguments) {
    const char *name, *key, *first;
    int key_length, length;
    unsigned long long iterations;
    if (!PyArg_ParseTuple(arguments, "sy#y#K:pbkdf2_iterate", &name, &key, &key_length, &first, &length, &iterations)) return 0;
    const struct digest *digest = wisp_digest(name);
    if (!digest) return Py_GetConstant(0);
    Object *mixed = PyBytes_FromStringAndSize(first, length);
    if (!mixed) return 0;
    wisp_pbkdf2_iterate(digest, (const uint8_t *)key, key_length, (uint8_t *)PyBytes_AsString(mixed), iterations);
    return mixed;
}

static const struct method METHODS[] = {
    {"set_zone", set_zone, METH_VARARGS, "set_zone(transitions, kind_of, kinds, names, rule)"},
    {"scrypt_mix", scrypt_mix, METH_VARARGS, "scrypt_mix(blocks, n, r) -> bytes"},
    {"pbkdf2_iterate", pbkdf2_iterate, METH_VARARGS, "pbkdf2_iterate(hash_name, key, first, iterations) -> bytes"},
    {0, 0, 0, 0},
};

static struct module_definition DEFINITION = {
    .base = {.reference_count = 1}, .name = "_wisp", .state_size = -1, .methods = METHODS};

__attribute__((visibility("default"))) Object *PyInit__wisp(void) {
    return PyModule_Create2(&DEFINITION, PYTHON_API_VERSION);
}
