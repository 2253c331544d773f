using System.Globalization;

namespace Tessera.Ranks;

/// <summary>What a launcher tells each process that it starts for a step: which rank it is, of how many.</summary>
/// <param name="Launcher">Its name, as people type it.</param>
/// <param name="Rank">From 0.</param>
/// <param name="Size">Processes of the step.</param>
/// <param name="LocalRank">The rank among those on this host, from 0.</param>
/// <param name="Family">Whose MPI can join the step.</param>
internal sealed record Launch(string Launcher, int Rank, int Size, int LocalRank, MpiFamily Family)
{
    private const string OpenMpiSize = "OMPI_COMM_WORLD_SIZE", PmiSize = "PMI_SIZE", SlurmSize = "SLURM_STEP_NUM_TASKS";

    /// <summary>Finds out who started this process.</summary>
    /// <param name="variable">An environment variable's value, null where it is not set.</param>
    /// <returns>Null: nobody did, and it is alone.</returns>
    /// <exception cref="RanksException">A launcher did, but in a way in which its processes cannot meet.</exception>
    /// <remarks>
    /// A script of <c>sbatch</c> has Slurm's rank and number of tasks without being one of them: a step is told by its own variables. Launchers are
    /// often started by one another (hydra by srun): whoever is nearest counts.
    /// </remarks>
    public static Launch? Find(Func<string, string?> variable)
    {
        if (Number(OpenMpiSize) is { } size)
            return new Launch("mpirun", Required("OMPI_COMM_WORLD_RANK", OpenMpiSize), size, Number("OMPI_COMM_WORLD_LOCAL_RANK") ?? 0, MpiFamily.OpenMpi);
        var ofSlurm = Number("SLURM_LOCALID") ?? 0;
        if (Number(PmiSize) is { } processes)
            return new Launch(variable("SLURM_MPI_TYPE") is null ? "mpiexec" : "srun", Required("PMI_RANK", PmiSize), processes, Number("MPI_LOCALRANKID") ?? ofSlurm, MpiFamily.Mpich);
        if (variable("SLURM_STEP_ID") is null || Number("SLURM_PROCID") is not { } rank || Number(SlurmSize) is not { } tasks) return null;
        if (variable("PMIX_RANK") is not null) return new Launch("srun", rank, tasks, ofSlurm, MpiFamily.OpenMpi);
        return tasks == 1 ? null : throw new RanksException(
            $"srun started {tasks} tasks of which none can find the others: start them with srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH).");

        int? Number(string name) => int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

        int Required(string name, string beside) => Number(name) ?? throw new RanksException($"{beside} is set, and {name} is not: start the ranks by mpirun, mpiexec or srun.");
    }
}

/// <summary>Whose binary interface an MPI library has.</summary>
internal enum MpiFamily
{
    /// <summary>Open MPI: handles are addresses of the library's own objects.</summary>
    OpenMpi,

    /// <summary>MPICH and what shares its interface: handles are integers.</summary>
    Mpich,
}
