/* Loaded into a redis-server. Writes down each successful fdatasync in the file that $SYNCED names: the inode, and the
   length of the synced file before the call. A power cut leaves that much of the file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int file) {
    struct stat before;
    int known = fstat(file, &before);
    int result = (int)syscall(SYS_fdatasync, file);
    const char *name = getenv("SYNCED");
    if (result == 0 && known == 0 && name != NULL) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %llu\n", (unsigned long long)before.st_ino,
                              (unsigned long long)before.st_size);
        int record = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (record >= 0) {
            if (write(record, line, (size_t)length) != length) abort();
            close(record);
        }
    }
    return result;
}
