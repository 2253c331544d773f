/* What a sum over all ranks costs on this wire: the time of MPI_Allreduce for messages of several sizes.
 *
 *     mpicc -O2 -o allreduce eng/allreduce.c
 *     mpirun -n 2 allreduce [REPETITIONS] [BYTES…]        (default: 30 of 4, 65536, 1048576, 4194304 and 22000000 bytes)
 *
 * Of each repetition the slowest rank counts; printed are the fastest repetition and the median. The last size is about the gradients of
 * a ViT-Tiny in fp32. Each sum is checked: rank r gives r + 1 everywhere, so every element is n (n + 1) / 2.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words)
{
    int rank, ranks, length;
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Get_library_version(version, &length);
    int repetitions = count > 1 ? atoi(words[1]) : 30;
    long usual[] = { 4, 65536, 1048576, 4194304, 22000000 };
    int sizes = count > 2 ? count - 2 : 5;
    if (repetitions < 1) MPI_Abort(MPI_COMM_WORLD, 2);
    double *times = malloc(repetitions * sizeof *times);
    if (rank == 0) printf("%d ranks, %.40s\n%12s %12s %12s %14s\n", ranks, version, "bytes", "fastest ms", "median ms", "GB/s a rank");
    for (int s = 0; s < sizes; s++) {
        long bytes = count > 2 ? atol(words[2 + s]) : usual[s], n = bytes / 4;
        float *values = malloc(bytes);
        for (int i = -2; i < repetitions; i++) { /* two to warm up: connections, buffers */
            for (long k = 0; k < n; k++) values[k] = rank + 1;
            MPI_Barrier(MPI_COMM_WORLD);
            double begun = MPI_Wtime();
            MPI_Allreduce(MPI_IN_PLACE, values, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
            double took = MPI_Wtime() - begun, slowest;
            MPI_Allreduce(&took, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
            if (i >= 0) times[i] = slowest;
            for (long k = 0; k < n; k++)
                if (values[k] != ranks * (ranks + 1) / 2) {
                    fprintf(stderr, "rank %d: element %ld of %ld is %g, not %d\n", rank, k, n, values[k], ranks * (ranks + 1) / 2);
                    MPI_Abort(MPI_COMM_WORLD, 1);
                }
        }
        qsort(times, repetitions, sizeof *times, ascending);
        /* Bytes that a rank sends in a ring: 2 (n - 1) / n of the message. */
        if (rank == 0)
            printf("%12ld %12.3f %12.3f %14.3f\n", bytes, times[0] * 1e3, times[repetitions / 2] * 1e3,
                   2.0 * (ranks - 1) / ranks * bytes / times[0] / 1e9);
        free(values);
    }
    MPI_Finalize();
    return 0;
}
