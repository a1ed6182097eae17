/* Preloaded into a process: counts what it does to files below one directory, and at a chosen operation fails or kills.

The driver (shim.py) and all processes of a trial share one block of memory, which the environment names; `struct
control` is its layout there too. Each operation is counted before it is done, over all processes. With a log, each
operation that was done is appended to it, with its bytes.

A library that renames by a system call of its own isn't seen doing so (safetensors does): the new name of an open file is
noticed when it is closed, and counted and logged then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { NOTHING, KILL, TEAR, FAIL };
enum kind { OPEN, WRITE, SYNC, RENAME, UNLINK, RMDIR, MKDIR, TRUNCATE, LINK, SYMLINK, CHMOD };

struct control {
    _Atomic int64_t count; /* operations so far */
    int64_t at;            /* the operation, counted from 1, at which something happens */
    int32_t mode;          /* what: die before it; die half-way through a write, or after anything else; fail */
    int32_t error;         /* which error; a full disk stays full */
    int32_t hit_kind;      /* which kind of operation it was; -1: it wasn't reached */
    int32_t is_full;
    char root[PATH_MAX];
    char log[PATH_MAX]; /* empty: none */
    char hit_path[PATH_MAX];
};

struct record { /* of the log; both paths and the bytes follow */
    int32_t kind, flags;
    int64_t offset, num_bytes;
    int32_t path_length, other_length;
};

static struct control *control;
static char *opened[4096];          /* what was opened for writing under each descriptor */

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void attach(void) {
    const char *name = getenv("RILCTL_TEST_SHIM");
    int descriptor = name ? REAL(open)(name, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *block = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (block != MAP_FAILED) control = block;
    REAL(close)(descriptor);
}

static int of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static void absolute(int folder, const char *name, char *path) {
    char start[PATH_MAX] = "";
    if (name[0] != '/') {
        if (folder != AT_FDCWD) of_descriptor(folder, start);
        else if (!getcwd(start, sizeof start)) start[0] = 0;
        strncat(start, "/", sizeof start - strlen(start) - 1);
    }
    snprintf(path, PATH_MAX, "%.2000s%.2000s", start, name);
}

static int is_below(const char *path) {
    size_t length = control ? strlen(control->root) : 0;
    return length && !strncmp(path, control->root, length) && path[length] == '/';
}

static int is_root(const char *path) { return control && control->root[0] && !strcmp(path, control->root); }

static void note(int kind, int flags, int64_t offset, const void *bytes, int64_t num, const char *path, const char *other) {
    if (!control->log[0]) return;
    int kept = errno, log = REAL(open)(control->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct record head = {kind, flags, offset, num, strlen(path), strlen(other)};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)path, strlen(path)}, {(void *)other, strlen(other)}, {(void *)bytes, num}};
    if (log < 0 || REAL(writev)(log, parts, 4) < 0) abort();
    REAL(close)(log);
    errno = kept;
}

static int needs_space(int kind) { return kind <= WRITE || (kind >= MKDIR && kind <= SYMLINK); }

static void die(void) {
    raise(SIGKILL);
    for (;;) pause();
}

/* Count an operation. 0: do it; 1: do a part of it, then die; -1: it failed, and errno says how. */
static int count(int kind, const char *path) {
    if (control->is_full && needs_space(kind)) {
        errno = ENOSPC;
        return -1;
    }
    if (atomic_fetch_add(&control->count, 1) + 1 != control->at || control->mode == NOTHING) return 0;
    control->hit_kind = kind;
    snprintf(control->hit_path, sizeof control->hit_path, "%s", path);
    if (control->mode == KILL) die();
    if (control->mode == TEAR) return 1;
    control->is_full = control->error == ENOSPC;
    errno = control->error;
    return -1;
}

/* An operation on names: `call` does it; afterwards it is logged. */
#define ON_NAMES(type, kind, flags, path, other, call)                                                                 \
    do {                                                                                                               \
        if (!is_below(path)) return call;                                                                              \
        int verdict = count(kind, path);                                                                               \
        if (verdict < 0) return -1;                                                                                    \
        type result = call;                                                                                            \
        if (verdict > 0) die();                                                                                        \
        if (result >= 0) note(kind, flags, 0, "", 0, path, other);                                                     \
        return result;                                                                                                 \
    } while (0)

static int opens(int folder, const char *name, int flags, mode_t mode) {
    if (!(flags & (O_WRONLY | O_RDWR | O_CREAT)) || !control) return REAL(openat)(folder, name, flags, mode);
    char path[PATH_MAX];
    absolute(folder, name, path);
    if (!is_below(path)) return REAL(openat)(folder, name, flags, mode);
    int verdict = count(OPEN, path);
    if (verdict < 0) return -1;
    int descriptor = REAL(openat)(folder, name, flags, mode);
    if (verdict > 0) die();
    if (descriptor >= 0) {
        note(OPEN, flags, 0, "", 0, path, "");
        if (descriptor < 4096) opened[descriptor] = strdup(path);
    }
    return descriptor;
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN_AS(name, folder, ...)                                                                                     \
    int name(__VA_ARGS__, const char *path, int flags, ...) {                                                          \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, rest);                                                                            \
        va_end(rest);                                                                                                  \
        return opens(folder, path, flags, mode);                                                                       \
    }
OPEN_AS(openat, folder, int folder)
OPEN_AS(openat64, folder, int folder)
#undef OPEN_AS
#define OPEN_AS(name)                                                                                                  \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, rest);                                                                            \
        va_end(rest);                                                                                                  \
        return opens(AT_FDCWD, path, flags, mode);                                                                     \
    }
OPEN_AS(open)
OPEN_AS(open64)

int close(int descriptor) {
    char *before = descriptor >= 0 && descriptor < 4096 ? opened[descriptor] : NULL;
    if (before) {
        char path[PATH_MAX];
        opened[descriptor] = NULL;
        of_descriptor(descriptor, path);
        if (is_below(path) && strcmp(path, before) && !strstr(path, " (deleted)") && access(before, F_OK)) {
            if (count(RENAME, path) > 0) die(); /* it is done already: it can't fail */
            note(RENAME, 0, 0, "", 0, before, path);
        }
        free(before);
    }
    return REAL(close)(descriptor);
}

/* Writes of any kind; `offset` < 0: where the descriptor stands. */
static ssize_t writes(int descriptor, const void *bytes, size_t num, off_t offset) {
    char path[PATH_MAX];
    int counts = control && descriptor > 2 && of_descriptor(descriptor, path) && is_below(path);
    int verdict = counts ? count(WRITE, path) : 0;
    if (verdict < 0) return -1;
    if (verdict > 0) num /= 2;
    ssize_t done = offset < 0 ? REAL(write)(descriptor, bytes, num) : REAL(pwrite64)(descriptor, bytes, num, offset);
    if (verdict > 0) die();
    if (counts && done > 0) {
        off_t start = offset < 0 ? lseek(descriptor, 0, SEEK_CUR) - done : offset;
        note(WRITE, 0, start, bytes, done, path, "");
    }
    return done;
}

ssize_t write(int descriptor, const void *bytes, size_t num) { return writes(descriptor, bytes, num, -1); }
ssize_t pwrite(int descriptor, const void *bytes, size_t num, off_t at) { return writes(descriptor, bytes, num, at); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t num, off_t at) { return writes(descriptor, bytes, num, at); }

ssize_t writev(int descriptor, const struct iovec *parts, int num) {
    char path[PATH_MAX];
    if (!control || descriptor <= 2 || !of_descriptor(descriptor, path) || !is_below(path))
        return REAL(writev)(descriptor, parts, num);
    for (int i = 0; i < num; i++) /* a short write is allowed, and callers go on */
        if (parts[i].iov_len) return writes(descriptor, parts[i].iov_base, parts[i].iov_len, -1);
    return 0;
}

/* Copies between descriptors become reads and writes, so that the bytes are seen. */
static ssize_t copies(int target, int source, off_t *from, size_t num) {
    static _Thread_local char bytes[1 << 16];
    ssize_t found = from ? pread(source, bytes, num < sizeof bytes ? num : sizeof bytes, *from)
                         : read(source, bytes, num < sizeof bytes ? num : sizeof bytes);
    ssize_t done = found > 0 ? writes(target, bytes, found, -1) : found;
    if (done > 0 && from) *from += done;
    return done;
}

ssize_t sendfile(int target, int source, off_t *from, size_t num) {
    char path[PATH_MAX];
    if (!control || !of_descriptor(target, path) || !is_below(path)) return REAL(sendfile)(target, source, from, num);
    return copies(target, source, from, num);
}
ssize_t sendfile64(int target, int source, off_t *from, size_t num) { return sendfile(target, source, from, num); }

ssize_t copy_file_range(int source, off_t *from, int target, off_t *to, size_t num, unsigned flags) {
    char path[PATH_MAX];
    if (to || !control || !of_descriptor(target, path) || !is_below(path))
        return REAL(copy_file_range)(source, from, target, to, num, flags);
    return copies(target, source, from, num);
}

static int on_descriptor(int kind, int descriptor, int64_t size, int (*call)(int), int (*resize)(int, off_t)) {
    char path[PATH_MAX];
    int counts = control && of_descriptor(descriptor, path) && (is_below(path) || is_root(path)); /* its names */
    int verdict = counts ? count(kind, path) : 0;
    if (verdict < 0) return -1;
    int result = call ? call(descriptor) : resize(descriptor, size);
    if (verdict > 0) die();
    if (counts && result == 0) note(kind, 0, size, "", 0, path, "");
    return result;
}

int fsync(int descriptor) { return on_descriptor(SYNC, descriptor, 0, REAL(fsync), NULL); }
int fdatasync(int descriptor) { return on_descriptor(SYNC, descriptor, 0, REAL(fdatasync), NULL); }
int ftruncate(int descriptor, off_t size) { return on_descriptor(TRUNCATE, descriptor, size, NULL, REAL(ftruncate)); }
int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

int renameat2(int folder, const char *name, int other_folder, const char *other_name, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    if (!control) return REAL(renameat2)(folder, name, other_folder, other_name, flags);
    absolute(folder, name, path);
    absolute(other_folder, other_name, other);
    ON_NAMES(int, RENAME, 0, path, other, REAL(renameat2)(folder, name, other_folder, other_name, flags));
}
int rename(const char *name, const char *other) { return renameat2(AT_FDCWD, name, AT_FDCWD, other, 0); }
int renameat(int folder, const char *name, int other_folder, const char *other) {
    return renameat2(folder, name, other_folder, other, 0);
}

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!control) return REAL(unlinkat)(folder, name, flags);
    absolute(folder, name, path);
    ON_NAMES(int, flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, path, "", REAL(unlinkat)(folder, name, flags));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!control) return REAL(mkdirat)(folder, name, mode);
    absolute(folder, name, path);
    ON_NAMES(int, MKDIR, 0, path, "", REAL(mkdirat)(folder, name, mode));
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int linkat(int folder, const char *name, int other_folder, const char *other_name, int flags) {
    char path[PATH_MAX], other[PATH_MAX];
    if (!control) return REAL(linkat)(folder, name, other_folder, other_name, flags);
    absolute(folder, name, path);
    absolute(other_folder, other_name, other);
    ON_NAMES(int, LINK, 0, path, other, REAL(linkat)(folder, name, other_folder, other_name, flags));
}
int link(const char *name, const char *other) { return linkat(AT_FDCWD, name, AT_FDCWD, other, 0); }

int symlinkat(const char *target, int folder, const char *name) {
    char path[PATH_MAX];
    if (!control) return REAL(symlinkat)(target, folder, name);
    absolute(folder, name, path);
    ON_NAMES(int, SYMLINK, 0, path, target, REAL(symlinkat)(target, folder, name));
}
int symlink(const char *target, const char *name) { return symlinkat(target, AT_FDCWD, name); }

int fchmodat(int folder, const char *name, mode_t mode, int flags) {
    char path[PATH_MAX];
    if (!control) return REAL(fchmodat)(folder, name, mode, flags);
    absolute(folder, name, path);
    ON_NAMES(int, CHMOD, 0, path, "", REAL(fchmodat)(folder, name, mode, flags));
}
int chmod(const char *name, mode_t mode) { return fchmodat(AT_FDCWD, name, mode, 0); }
