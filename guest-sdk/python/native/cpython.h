/* What `module.c` uses of CPython's stable ABI, on a 32-bit machine. No package that the build can fetch has the headers
 * of CPython for WebAssembly. */

#ifndef WISP_CPYTHON_H
#define WISP_CPYTHON_H

typedef struct object Object;

struct method {
    const char *name;
    Object *(*function)(Object *self, Object *arguments);
    int flags;
    const char *doc;
};

enum { METH_VARARGS = 1, PYTHON_API_VERSION = 1013 };

struct module_definition {
    struct {
        int reference_count;
        void *type;
        Object *(*initialize)(void);
        int index;
        Object *copy;
    } base;
    const char *name;
    const char *doc;
    int state_size;
    const struct method *methods;
    void *slots, *traverse, *clear, *free;
};

Object *PyModule_Create2(struct module_definition *definition, int api_version);
int PyArg_ParseTuple(Object *arguments, const char *format, ...);
Object *PyBytes_FromStringAndSize(const char *bytes, int length);
char *PyBytes_AsString(Object *bytes);
Object *PyErr_NoMemory(void);
Object *Py_GetConstant(unsigned int constant);
void Py_DecRef(Object *object);

#endif
