/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() of a fuzz target in a build without libFuzzer: runs it once over each file that is named and over
 * the files of each folder that is named. Like libFuzzer it says which one it runs, and a finding ends the
 * process.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    struct stat st;

    /* Memory exactly as large as the file, so that a sanitizer sees a read behind its end. */
    if (!f || fstat(fileno(f), &st) != 0 || !(data = malloc(st.st_size ? (size_t)st.st_size : 1)) ||
        fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        perror(path);
        exit(2);
    }
    fclose(f);
    fprintf(stderr, "Running: %s\n", path);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    free(data);
}

static void replay_folder(const char *path, DIR *folder)
{
    for (struct dirent *e; (e = readdir(folder));) {
        char child[PATH_MAX];
        struct stat st;

        if ((size_t)snprintf(child, sizeof child, "%s/%s", path, e->d_name) < sizeof child &&
            stat(child, &st) == 0 && S_ISREG(st.st_mode))
            replay_file(child);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (folder)
            replay_folder(argv[i], folder);
        else
            replay_file(argv[i]);
    }
    return 0;
}
