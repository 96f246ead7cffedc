/* Preloaded into routerd by the tests: records what becomes of files below a folder, and fails calls as it is told.

   SHIM_FOLDER  only files below it count.
   SHIM_RECORD  a file to which every change is appended, in the order it happened (disk_record.py reads it), with what
                was sent over sockets that begins with "250 ".
   SHIM_FAULT   a file of 256 bytes, mapped: "CALL ERRNO TIMES SUFFIX" (such as "sync 5 1 -wal"); while TIMES is over 0,
                each call on a file whose name ends in SUFFIX ("*": on any but -shm, the index of the log, whose room is
                there since the log was made) fails and counts it down. Calls: write, sync, open, accept. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FAULT_BYTES 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_length;
static int record_fd = -1;
static char *fault;

__attribute__((constructor)) static void begin(void) {
    const char *path;
    folder = getenv("SHIM_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    if ((path = getenv("SHIM_RECORD"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        record_fd = fcntl(fd, F_DUPFD_CLOEXEC, 500);
        syscall(SYS_close, fd);
    }
    if ((path = getenv("SHIM_FAULT"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0600);
        void *map = mmap(NULL, FAULT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        fault = map == MAP_FAILED ? NULL : map;
        syscall(SYS_close, fd);
    }
}

static int counts(const char *path) {
    return folder && strncmp(path, folder, folder_length) == 0;
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return counts(path);
}

static int path_at(int at, const char *name, char *path, size_t size) {
    if (name[0] == '/' || at == AT_FDCWD) {
        snprintf(path, size, "%s", name);
        return counts(path);
    }
    char base[2048];
    if (!path_of(at, base, sizeof base)) return 0;
    snprintf(path, size, "%s/%s", base, name);
    return 1;
}

/* Called with the lock held. */
static void record(char kind, const char *path, const char *other, int64_t offset, const void *data, size_t size) {
    struct { uint32_t kind, path, other, pad; int64_t offset; uint64_t size; } head = {0};
    if (record_fd < 0) return;
    head.kind = kind;
    head.path = strlen(path);
    head.other = strlen(other);
    head.offset = offset;
    head.size = data ? size : 0;
    syscall(SYS_write, record_fd, &head, sizeof head);
    syscall(SYS_write, record_fd, path, head.path);
    syscall(SYS_write, record_fd, other, head.other);
    if (head.size) syscall(SYS_write, record_fd, data, head.size);
}

/* Called with the lock held. The errno that this call is to fail with, or 0. */
static int failure(const char *call, const char *path) {
    char wanted[16] = "", suffix[128] = "";
    int number = 0;
    long times = 0;
    size_t length, tail;
    if (!fault || sscanf(fault, "%15s %d %ld %127s", wanted, &number, &times, suffix) != 4) return 0;
    if (times <= 0 || strcmp(wanted, call) != 0) return 0;
    length = strlen(path);
    tail = strlen(suffix);
    if (length >= 4 && strcmp(path + length - 4, "-shm") == 0) return 0;
    if (strcmp(suffix, "*") != 0 && (length < tail || strcmp(path + length - tail, suffix) != 0)) return 0;
    snprintf(fault, FAULT_BYTES, "%s %d %ld %s", wanted, number, times - 1, suffix);
    return number;
}

#define FAIL_WITH(number) do { errno = (number); return -1; } while (0)

static int opened(int at, const char *name, int flags, mode_t mode) {
    char path[2048];
    struct stat found;
    int fd, number, is_new;
    if (!path_at(at, name, path, sizeof path)) return syscall(SYS_openat, at, name, flags, mode);
    pthread_mutex_lock(&lock);
    if ((number = failure("open", path))) {
        pthread_mutex_unlock(&lock);
        FAIL_WITH(number);
    }
    is_new = (flags & O_CREAT) && fstatat(at, name, &found, AT_SYMLINK_NOFOLLOW) != 0;
    fd = syscall(SYS_openat, at, name, flags, mode);
    number = errno;
    if (fd >= 0 && is_new) record('c', path, "", 0, NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC)) record('t', path, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = number;
    return fd;
}

#define MODE_OF(flags, last) mode_t mode = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE_OF(flags, flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE_OF(flags, flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE_OF(flags, flags) return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE_OF(flags, flags) return opened(at, name, flags, mode); }

static void answered(const char *data, size_t size) {
    if (record_fd < 0 || size < 4 || memcmp(data, "250 ", 4) != 0) return;
    pthread_mutex_lock(&lock);
    record('a', "", "", 0, data, size);
    pthread_mutex_unlock(&lock);
}

static ssize_t written(int fd, const void *data, size_t size, int64_t offset) {
    char path[2048];
    ssize_t done;
    int number;
    if (!path_of(fd, path, sizeof path)) {
        answered(data, size);
        return offset < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, offset);
    }
    pthread_mutex_lock(&lock);
    if ((number = failure("write", path))) {
        pthread_mutex_unlock(&lock);
        FAIL_WITH(number);
    }
    if (offset < 0) {
        int64_t at = syscall(SYS_lseek, fd, 0, SEEK_CUR);
        done = syscall(SYS_write, fd, data, size);
        number = errno;
        if (done > 0) record('w', path, "", at, data, done);
    } else {
        done = syscall(SYS_pwrite64, fd, data, size, offset);
        number = errno;
        if (done > 0) record('w', path, "", offset, data, done);
    }
    pthread_mutex_unlock(&lock);
    errno = number;
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return written(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return written(fd, data, size, offset); }

static int truncated(int fd, int64_t size) {
    char path[2048];
    int done, number;
    if (!path_of(fd, path, sizeof path)) return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    done = syscall(SYS_ftruncate, fd, size);
    number = errno;
    if (done == 0) record('t', path, "", size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = number;
    return done;
}

int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }

static int synced(int fd, long call) {
    char path[2048];
    int done, number;
    if (!path_of(fd, path, sizeof path)) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    if ((number = failure("sync", path))) {
        pthread_mutex_unlock(&lock);
        FAIL_WITH(number);
    }
    done = syscall(call, fd);
    number = errno;
    if (done == 0) record('s', path, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = number;
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Names: `call` is done already. */
static int named(int done, char kind, const char *path, const char *other) {
    int number = errno;
    if (done == 0 && (counts(path) || counts(other))) record(kind, path, other, 0, NULL, 0);
    errno = number;
    return done;
}

#define NAMING(kind, path, other, call) \
    int done; pthread_mutex_lock(&lock); done = named((call), kind, path, other); pthread_mutex_unlock(&lock); return done;

int unlink(const char *name) { NAMING('u', name, "", syscall(SYS_unlinkat, AT_FDCWD, name, 0)) }
int unlinkat(int at, const char *name, int flags) {
    char path[2048] = "";
    path_at(at, name, path, sizeof path);
    NAMING('u', path, "", syscall(SYS_unlinkat, at, name, flags))
}
int rmdir(const char *name) { NAMING('u', name, "", syscall(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR)) }
int mkdir(const char *name, mode_t mode) { NAMING('d', name, "", syscall(SYS_mkdirat, AT_FDCWD, name, mode)) }
int rename(const char *from, const char *to) { NAMING('r', from, to, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)) }
int link(const char *from, const char *to) { NAMING('l', from, to, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0)) }

ssize_t send(int fd, const void *data, size_t size, int flags) {
    answered(data, size);
    return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (count > 0) answered(parts[0].iov_base, parts[0].iov_len);
    return syscall(SYS_writev, fd, parts, count);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    int number;
    pthread_mutex_lock(&lock);
    number = failure("accept", "");
    pthread_mutex_unlock(&lock);
    if (number) FAIL_WITH(number);
    return syscall(SYS_accept4, fd, address, length, flags);
}
