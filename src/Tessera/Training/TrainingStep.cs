using System.Runtime.Intrinsics;
using Tessera.Data;
using Tessera.Models.Fused;
using Tessera.Ranks;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>What happens to a batch: views, an objective's loss, its gradients, and the optimiser's step on them.</summary>
/// <remarks>
/// The batch is cut into parts (<see cref="BatchParts"/>): on a CPU each core computes parts of its own, and on a GPU there are as few as its memory
/// allows. Their gradients are added up in fp32 and in a fixed order, so on a CPU the result is a function of the batch and of the number of workers.
/// Where an objective couples pictures, parts wait for <see cref="Objective.Couple"/> before they go on backward: with what their forward pass kept while
/// the budget lasts, else they are computed forward once more.
/// </remarks>
public sealed partial class TrainingStep : IDisposable
{
    private const int BytesPerParameter = 24; // the weight, its copy, AdamW's two means, the sum of its gradients and a part's: fp32 but for the copy and, where it computes in bf16, the last

    private readonly Objective objective;
    private readonly TrainingOptions options;
    private readonly Device device;
    private readonly long? keptBytes; // what all parts that are computed at once may leave for their backward pass; null: a batch is one part
    private readonly BatchPreparation preparation;
    private readonly ResidentPixels? resident;
    private readonly WorkerThreads threads;
    private readonly bool fuses; // whether each worker computes blocks by itself, with one core
    private readonly Tensor[] encoded, projected; // the parameters that parts have gradients of, and those that coupling has
    private readonly List<(bool IsProjected, int Index)> order = []; // where each of the optimiser's parameters stands in them
    private readonly Tensor[]?[] sums; // a worker's gradients of the former so far
    private readonly Communicator ranks;
    private readonly BatchShare share; // which pictures of a batch are this rank's
    private readonly GradientReduction? reduction; // null where there is one rank
    private readonly BackwardStages? stages; // likewise
    private int accumulated; // batches since the last step

    /// <summary>Brings an objective's model to its device and number format, and prepares steps on it.</summary>
    /// <param name="objective">What is learned; it stays with the caller.</param>
    /// <param name="data">The pictures.</param>
    /// <param name="options">Device, number format, workers, accumulation, clipping: resolved, see <see cref="TrainingOptions.Resolved"/>.</param>
    /// <param name="ranks">Those who share each batch; null: this process alone. They stay with the caller.</param>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="DeviceMemoryException">The model, or the pictures that are to be in the device's memory, do not fit there.</exception>
    public TrainingStep(Objective objective, TrainingData data, TrainingOptions options, Communicator? ranks = null)
    {
        (this.objective, this.options, this.ranks) = (objective, options, ranks ?? Communicator.Alone);
        share = new BatchShare(this.ranks.Rank, this.ranks.Size);
        device = ComputeDevice.Resolve(options.Device);
        if (device.type == DeviceType.CPU) ProcessHeap.KeepFreedMemory();
        ComputePrecision.Apply(options.Precision, device);
        var workers = options.Workers ?? WorkerThreads.DefaultOn(device);
        Optimizer = DeviceMemory.For(device, () => Prepare(workers), () => new MemoryNeed("the model and its optimiser", "choose a smaller model", "Encoder.Model"));
        var ofProjector = (objective.Projector?.parameters() ?? []).Select(p => p.Handle).ToHashSet();
        var (ofParts, ofCoupling, names) = (new List<Tensor>(), new List<Tensor>(), new List<string>());
        foreach (var (parameter, name) in Optimizer.Parameters.Zip(Optimizer.Names))
        {
            var isProjected = ofProjector.Contains(parameter.Handle);
            order.Add((isProjected, (isProjected ? ofCoupling : ofParts).Count));
            (isProjected ? ofCoupling : ofParts).Add(parameter);
            if (!isProjected) names.Add(name);
        }
        (encoded, projected) = ([.. ofParts], [.. ofCoupling]);
        try
        {
            resident = DeviceMemory.For(device, () => ResidentPixels.Place(data.Images, data.OnDevice, device),
                () => new MemoryNeed($"all {data.Images.Count} pictures beside the model", "leave them out of it", "Data.OnDevice"));
            keptBytes = BatchParts.KeptBytesOn(device, CudaDriver.Installed.TotalMemory(device),
                taken: (resident?.Bytes ?? 0) + BytesPerParameter * Optimizer.Parameters.Sum(p => p.numel()));
            Loader = new BatchLoader(data.Images, objective.Plan, withPixels: resident is null, pinned: device.type == DeviceType.CUDA, share);
            if (!this.ranks.IsAlone)
            {
                stages = new BackwardStages(objective.Cuts, names);
                var stageOf = order.Select(o => o.IsProjected ? 0 : stages.Of(o.Index)).ToArray(); // coupling comes first
                reduction = new GradientReduction(this.ranks, Optimizer.Parameters, stageOf, device, options.Wire);
            }
            preparation = new BatchPreparation(objective.Plan, data.Normalization, device, resident);
            threads = new WorkerThreads(workers, options.Threads ?? 1);
            // Of what this process is, and not of what libtorch's settings are at an instant: the results hang on it. Without AVX-512 vectors would be put together from shorter ones.
            fuses = Vector512.IsHardwareAccelerated && device.type == DeviceType.CPU && (workers > 1 ? (options.Threads ?? 1) == 1 : Environment.ProcessorCount == 1);
            sums = new Tensor[]?[workers];
        }
        catch
        {
            preparation?.Dispose();
            stages?.Dispose();
            reduction?.Dispose();
            resident?.Dispose();
            Optimizer.Dispose();
            throw;
        }
    }

    /// <summary>The optimiser of the objective's model.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Makes the batches that steps are made on.</summary>
    public BatchLoader Loader { get; }

    /// <summary>Told how long each phase takes; null, as in training, measures nothing and waits for nothing.</summary>
    internal StepPhases? Phases { get; set; }

    /// <summary>Parts of a batch that are computed at once.</summary>
    internal int Workers => threads.Count;

    /// <summary>Adds a batch's gradients; where pictures are coupled, notes what <see cref="Update(double)"/> needs of it.</summary>
    /// <returns>The mean of its pictures' own losses, of a rank's share what it adds to that mean: a scalar that has not been waited for; the caller disposes it.</returns>
    /// <exception cref="DeviceMemoryException">The device's memory is not enough for the batch.</exception>
    public Tensor Accumulate(Batch batch) => DeviceMemory.For(device, () => Add(batch, Parts(batch.Count)), () => Need(batch.Count));

    /// <summary>The parts of a batch that are computed one after the other, or at once by several workers.</summary>
    internal IReadOnlyList<Range> Parts(int pictures) =>
        keptBytes is { } bytes ? BatchParts.Of(pictures, threads.Count, BytesKept, objective.Cost.Tokens, bytes) : [Range.All];

    private Tensor Add(Batch whole, IReadOnlyList<Range> ranges)
    {
        using var batch = whole.On(device);
        var losses = new Tensor[ranges.Count];
        var isLast = ++accumulated == options.Accumulate;
        if (objective.Couples) EmbedParts(batch, ranges, losses, isLast);
        else
        {
            if (isLast) stages?.Begin(Math.Min(ranges.Count, threads.Count));
            ForEach(ranges.Count, (i, worker) => losses[i] = AddGradients(batch, ranges[i], worker, isLast && i + threads.Count >= ranges.Count));
        }
        if (losses.Length == 1) return losses[0];
        using var scope = NewDisposeScope();
        var loss = stack(losses).sum();
        foreach (var part in losses) part.Dispose();
        return loss.DetachFromDisposeScope();
    }

    /// <summary>Makes one step on the gradients so far and lets them go.</summary>
    /// <returns>The loss of coupled pictures, a scalar that has not been waited for, which the caller disposes; null where none are.</returns>
    /// <exception cref="InvalidOperationException">There are no gradients.</exception>
    /// <exception cref="DeviceMemoryException">The device's memory is not enough for the step.</exception>
    public Tensor? Update(double learningRate)
    {
        var nothing = default(StepSignals);
        return Update(learningRate, ref nothing);
    }

    /// <param name="learningRate">The step's rate.</param>
    /// <param name="signals">What this rank asks of all; afterwards, what any of them has asked.</param>
    internal Tensor? Update(double learningRate, ref StepSignals signals)
    {
        var pictures = waiting.Count > 0 ? waiting[^1].Batch.Count : 0;
        var coupled = pictures > 0 ? DeviceMemory.For(device, AddCoupledGradients, () => Need(pictures)) : null;
        var all = sums.OfType<Tensor[]>().ToArray(); // a batch may have fewer parts than there are workers
        if (all.Length == 0) throw new InvalidOperationException("There are no gradients: call Accumulate before Update.");
        if (all.Length > 1) threads.Run(worker => AddUp(all, worker));
        Tensor[] gradients = reduction is not null ? reduction.Finish(OwnGradient, ref signals)
            : projections is null ? all[0] : [.. order.Select(o => o.IsProjected ? projections[o.Index] : all[0][o.Index])];
        if (options.Clip is { } norm) TensorLists.Clip(gradients, norm);
        ForEach(Optimizer.Shares, (share, _) => Optimizer.Step(learningRate, gradients, share));
        LetGo();
        return coupled;
    }

    /// <summary>Ends the threads and frees the optimiser and what was not used; the objective stays.</summary>
    public void Dispose()
    {
        threads.Dispose();
        LetGo();
        preparation.Dispose();
        stages?.Dispose();
        reduction?.Dispose();
        resident?.Dispose();
        Optimizer.Dispose();
    }

    /// <summary>The views of a batch. The tensors belong to the dispose scope at hand.</summary>
    internal PreparedBatch Prepare(Batch batch) => preparation.Prepare(batch);

    /// <summary>What a picture's forward pass leaves for the backward one; the cost is told in fp32.</summary>
    private long BytesKept => Math.Max(1, objective.Cost.BytesKept / (options.Precision == Precision.Bf16 ? 2 : 1));

    private AdamW Prepare(int shares)
    {
        var constants = new AdamWOptions { WeightDecay = options.WeightDecay };
        var model = objective.Model.to(device);
        if (options.Precision != Precision.Bf16) return new AdamW(model, constants, shares: shares, rules: objective.RuleOf);
        using var scope = NewDisposeScope();
        var weights = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().clone());
        model.to(ScalarType.BFloat16);
        objective.Projector?.to(ScalarType.Float32);
        var optimizer = new AdamW(model, constants, weights, shares, objective.RuleOf);
        if (objective.Projector is not null) optimizer.CopyToModel(); // its values went through bf16
        return optimizer;
    }

    /// <returns>The part's share of the batch's loss.</returns>
    private Tensor AddGradients(Batch batch, Range pictures, int worker, bool isLast)
    {
        using var scope = NewDisposeScope();
        var part = batch.Part(pictures);
        var views = Timed(StepPhase.Augment, worker, () => preparation.Prepare(part));
        using var marks = isLast ? stages?.Mark() : null;
        var loss = Timed(StepPhase.Forward, worker, () => objective.Forward(views).Loss!.Times((double)part.Count / batch.Whole));
        stages?.EndMarking();
        Timed(StepPhase.Backward, worker, () => Add(worker, [loss.Times(1.0 / options.Accumulate)], from: null, marks));
        return loss.detach().DetachFromDisposeScope();
    }

    /// <summary>Adds the gradients of outputs to a worker's; of its last part by stages, each of which is sent on its way when all workers have it.</summary>
    private bool Add(int worker, Tensor[] outputs, Tensor[]? from, BackwardMarks? marks)
    {
        if (marks is not { AreWhole: true })
        {
            sums[worker] = Added(sums[worker], outputs, from);
            return true;
        }
        var so = sums[worker] ?? new Tensor[encoded.Length];
        for (var stage = 0; stage < stages!.Count; stage++)
        {
            (outputs, from) = AddStage(so, stages.Members(stage), outputs, from, stage < stages.Count - 1 ? marks.Of(stage) : []);
            sums[worker] = so;
            if (stage < stages.Count - 1 && stages.Arrive(stage)) Send(stage);
        }
        return true;
    }

    /// <summary>Goes back from outputs as far as a cut.</summary>
    /// <returns>The outputs from which the next stage goes back, and the gradients with respect to them.</returns>
    private (Tensor[] Outputs, Tensor[] From) AddStage(Tensor[] so, int[] members, Tensor[] outputs, Tensor[]? from, Tensor[] cut)
    {
        using var quiet = no_grad();
        var gradients = FusedBlock.Backward(() => TensorLists.Gradients(outputs, [.. members.Select(i => encoded[i]), .. cut], from));
        var own = gradients[..members.Length];
        if (so[members[0]] is null)
        {
            foreach (var (i, gradient) in members.Zip(Owned(own))) so[i] = gradient;
        }
        else TensorLists.Add([.. members.Select(i => so[i])], Terms(own));
        return (cut, gradients[members.Length..]);
    }

    /// <summary>Sends a stage's gradients, which all workers have, to the other ranks.</summary>
    private void Send(int stage)
    {
        using var quiet = no_grad();
        Tensor[][] all = [.. sums.OfType<Tensor[]>()];
        var members = stages!.Members(stage);
        foreach (var more in all.Skip(1)) TensorLists.Add([.. members.Select(i => all[0][i])], [.. members.Select(i => more[i])]);
        reduction!.Begin(stage, OwnGradient);
    }

    /// <summary>This rank's gradient of a parameter, as it travels: the projector's are of the whole batch on every rank, so that one rank's count.</summary>
    private Tensor? OwnGradient(int parameter)
    {
        var (isProjected, index) = order[parameter];
        return !isProjected ? sums.OfType<Tensor[]>().First()[index] : ranks.IsFirst ? projections![index] : null;
    }

    /// <returns>The sums with the gradients of outputs, in fp32 whatever the model computes in.</returns>
    /// <param name="so">The sums; null: none yet.</param>
    /// <param name="outputs">What to go back from.</param>
    /// <param name="from">The gradients with respect to them; null: each is a loss.</param>
    private Tensor[] Added(Tensor[]? so, Tensor[] outputs, Tensor[]? from = null)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var gradients = FusedBlock.Backward(() => TensorLists.Gradients(outputs, encoded, from));
        if (so is null) return Owned(gradients);
        TensorLists.Add(so, Terms(gradients));
        return so;
    }

    /// <summary>Gradients as they are best added to sums: a GPU adds lists in one kernel where all lie alike, and a CPU reads each where it lies.</summary>
    private Tensor[] Terms(Tensor[] gradients) => device.type == DeviceType.CPU ? gradients : TensorLists.ToFp32(gradients);

    /// <summary>Gradients in fp32 that may be changed in place, each for itself.</summary>
    private static Tensor[] Owned(Tensor[] gradients)
    {
        var seen = new HashSet<nint>();
        // The fused optimiser reads memory as it lies, and a gradient may lie otherwise than its parameter (the patch projection's does): they are made contiguous.
        return Array.ConvertAll(TensorLists.ToFp32(gradients), gradient =>
        {
            // Two parameters that are added to each other have one gradient in common.
            var isShared = TensorMemory.AddressOf(gradient) is not 0 and var address && !seen.Add(address);
            return (isShared ? gradient.clone() : gradient).DetachFromDisposeScope();
        });
    }

    /// <summary>What a step needs memory for, and what would need less.</summary>
    private MemoryNeed Need(int pictures)
    {
        var part = Parts(pictures).Max(p => p.GetOffsetAndLength(pictures).Length);
        var what = $"a step on a batch of {pictures} pictures" + (part < pictures ? $", {part} at a time by each of {threads.Count} workers" : "");
        return part > 1
            ? new MemoryNeed(what, $"use batches of {part / 2 * ranks.Size} or less, and accumulate as many more of them", "Training.BatchSize", "Training.Accumulate")
            : new MemoryNeed(what, "choose a smaller model, or smaller pictures", "Encoder.Model", "Data.ImageSize");
    }

    private void ForEach(int count, Action<int, int> work) => threads.Run(worker =>
    {
        using var fused = fuses ? FusedBlock.WantedHere() : null;
        for (var i = worker; i < count; i += threads.Count) work(i, worker);
    });

    /// <summary>Adds the workers' sums up in the first's, each worker every so manieth tensor; what was sent has been added up before.</summary>
    private void AddUp(Tensor[][] all, int worker)
    {
        using var quiet = no_grad();
        Tensor[] Own(Tensor[] tensors) => [.. tensors.Where((_, i) => i % threads.Count == worker && stages?.IsSent(i) != true)];
        if (Own(all[0]).Length == 0) return;
        foreach (var more in all.Skip(1)) TensorLists.Add(Own(all[0]), Own(more));
    }

    private T Timed<T>(StepPhase phase, int worker, Func<T> work) => Phases is { } phases ? phases.Time(phase, worker, work) : work();

    private void LetGo()
    {
        foreach (var sum in sums.OfType<Tensor[]>().SelectMany(s => s).Concat(projections ?? [])) sum?.Dispose(); // a stage that failed left none
        Array.Clear(sums);
        projections = null;
        foreach (var part in waiting) part.Dispose();
        waiting.Clear();
        accumulated = 0;
        stages?.Reset();
    }
}

/// <summary>The loss became infinite or not a number, or what an objective watches fell below its floor. The message says where, and what to try.</summary>
/// <param name="message">Where, and what to try.</param>
/// <param name="canBegin">Whether it names a checkpoint that a new run can begin from.</param>
/// <param name="tries">The paths of the options to try.</param>
public sealed class TrainingDivergedException(string message, bool canBegin, IReadOnlyList<string> tries) : Exception(message), INamesOptions
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Options { get; } = [.. canBegin ? ["Init"] : Array.Empty<string>(), .. tries];
}
