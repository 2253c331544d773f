using Tessera.Ranks;

namespace Tessera.Tests.Ranks;

/// <summary>What launchers set, as it was read off them: Debian's Open MPI 4.1.4, MPICH 4.0.2 and Slurm 22.05.8.</summary>
public sealed class LaunchTests
{
    [Fact]
    public void Knows_A_Rank_By_What_Its_Launcher_Sets_For_A_Step()
    {
        Of("OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_LOCAL_RANK=1 PMIX_RANK=1").ShouldBe(new Launch("mpirun", 1, 4, 1, MpiFamily.OpenMpi));
        Of("PMI_RANK=2 PMI_SIZE=3 MPI_LOCALRANKID=2 MPI_LOCALNRANKS=3").ShouldBe(new Launch("mpiexec", 2, 3, 2, MpiFamily.Mpich));
        Of("SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=0 SLURM_NTASKS=2 SLURM_MPI_TYPE=pmix PMIX_RANK=1").ShouldBe(new Launch("srun", 1, 2, 0, MpiFamily.OpenMpi));
        Of("SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=1 SLURM_MPI_TYPE=pmi2 PMI_RANK=1 PMI_SIZE=2").ShouldBe(new Launch("srun", 1, 2, 1, MpiFamily.Mpich));
    }

    [Fact]
    public void A_Launcher_Within_A_Step_Of_Slurm_Counts_Before_The_Step()
    {
        // Both ranks of hydra's, and of an mpirun in a batch script, see the rank of what started the launcher.
        Of("SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=2 PMI_RANK=1 PMI_SIZE=2 MPI_LOCALRANKID=1").ShouldBe(new Launch("mpiexec", 1, 2, 1, MpiFamily.Mpich));
        Of("SLURM_PROCID=0 SLURM_NTASKS=2 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=1").ShouldBe(new Launch("mpirun", 1, 2, 1, MpiFamily.OpenMpi));
    }

    [Theory]
    [InlineData("")]
    [InlineData("SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_NTASKS=2 SLURM_NPROCS=2")] // a script of sbatch
    [InlineData("SLURM_NTASKS=2 SLURM_NPROCS=2 SLURM_JOB_ID=7")] // a shell of salloc
    [InlineData("SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1")] // one task
    [InlineData("PMIX_RANK=0")]
    public void A_Process_That_No_Launcher_Started_Is_Alone(string environment) => Of(environment).ShouldBeNull();

    [Fact]
    public void Tasks_That_Cannot_Find_Each_Other_Are_Refused()
    {
        Should.Throw<RanksException>(() => Of("SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=1"))
            .Message.ShouldBe("srun started 2 tasks of which none can find the others: start them with srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH).");
        Should.Throw<RanksException>(() => Of("PMI_SIZE=2")).Message.ShouldBe("PMI_SIZE is set, and PMI_RANK is not: start the ranks by mpirun, mpiexec or srun.");
    }

    [Fact]
    public void Alone_Every_Question_Is_Answered_By_Itself()
    {
        var alone = Communicator.Alone;
        alone.IsFirst.ShouldBeTrue();
        alone.Sum([1.5, 2]).ShouldBe([1.5, 2]);
        alone.FromFirst(() => 7).ShouldBe(7);
        alone.RequireSame("anything", "at all");
        Should.Throw<FormatException>(() => alone.Together<int>(() => throw new FormatException("own"))).Message.ShouldBe("own");
    }

    private static Launch? Of(string environment)
    {
        var variables = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        return Launch.Find(name => variables.GetValueOrDefault(name));
    }
}
