using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>The stages of a backward pass: between the cuts of an objective's model, from the loss on.</summary>
internal sealed class BackwardStages : IDisposable
{
    private readonly ThreadLocal<BackwardMarks?> marking = new(); // of the forward pass at hand, on its thread
    private readonly List<IDisposable> hooks = [];
    private readonly int[] stageOf; // of a parameter
    private readonly int[][] members;
    private readonly int[] arrived; // workers at the end of a stage
    private int workers, sent;

    /// <param name="cuts">Those nearest the loss first.</param>
    /// <param name="names">Of the parameters that parts have gradients of.</param>
    public BackwardStages(IReadOnlyList<BackwardCut> cuts, IReadOnlyList<string> names)
    {
        // A stage in which nothing is trained (frozen blocks) is none.
        var depths = names.Select(name => cuts.Count(cut => cut.IsBefore(name))).ToArray();
        var kept = Enumerable.Range(0, cuts.Count + 1).Where(depths.Contains).ToArray();
        stageOf = Array.ConvertAll(depths, d => Array.IndexOf(kept, d));
        members = [.. kept.Select((_, stage) => Enumerable.Range(0, names.Count).Where(i => stageOf[i] == stage).ToArray())];
        arrived = new int[kept.Length];
        for (var stage = 1; stage < kept.Length; stage++)
        {
            var place = stage - 1;
            var hook = cuts[kept[stage] - 1].After.register_forward_hook((_, _, output) =>
            {
                marking.Value?.Add(place, output);
                return output;
            });
            hooks.Add(new Hook(hook.remove));
        }
    }

    /// <summary>How many there are.</summary>
    public int Count => members.Length;

    /// <summary>The stage in which a parameter has its gradient.</summary>
    public int Of(int parameter) => stageOf[parameter];

    /// <summary>The parameters of a stage.</summary>
    public int[] Members(int stage) => members[stage];

    /// <summary>Notes where the model's next forward pass on this thread may be cut; null: there is one stage.</summary>
    public BackwardMarks? Mark() => marking.Value = Count > 1 ? new BackwardMarks(Count - 1) : null;

    /// <summary>Notes no more.</summary>
    public void EndMarking() => marking.Value = null;

    /// <summary>Begins a backward pass in which so many workers arrive at each stage.</summary>
    public void Begin(int workers) => this.workers = workers;

    /// <summary>Says that a worker has all gradients of a stage.</summary>
    /// <returns>Whether it is the last: the stage can be sent, before this worker goes on.</returns>
    public bool Arrive(int stage)
    {
        if (Interlocked.Increment(ref arrived[stage]) < workers) return false;
        sent = stage + 1;
        return true;
    }

    /// <summary>Whether a parameter's stage was sent.</summary>
    public bool IsSent(int parameter) => stageOf[parameter] < sent;

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        Array.Clear(arrived);
        sent = 0;
    }

    public void Dispose()
    {
        foreach (var hook in hooks) hook.Dispose();
        marking.Dispose();
    }

    private sealed class Hook(Action remove) : IDisposable
    {
        public void Dispose() => remove();
    }
}

/// <summary>The tensors at which the backward pass of one part of a batch may halt.</summary>
/// <param name="cuts">How many cuts there are.</param>
internal sealed class BackwardMarks(int cuts) : IDisposable
{
    private readonly List<Tensor>[] tensors = [.. Enumerable.Range(0, cuts).Select(_ => new List<Tensor>())];

    /// <summary>Whether every cut was met, and lets gradients through.</summary>
    public bool AreWhole => tensors.All(t => t.Count > 0 && t.TrueForAll(x => x.requires_grad));

    public void Add(int cut, Tensor output) => tensors[cut].Add(output.DetachFromDisposeScope());

    public Tensor[] Of(int cut) => [.. tensors[cut]];

    public void Dispose()
    {
        foreach (var tensor in tensors.SelectMany(t => t)) tensor.Dispose();
    }
}
