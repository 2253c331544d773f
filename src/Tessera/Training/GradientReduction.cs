using Tessera.Ranks;
using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>Adds the gradients of all ranks up, in flat pieces: while one is on its way, the next is laid together, or the backward pass goes on.</summary>
/// <remarks>
/// A piece has a few megabytes: small enough to be begun early, and large enough that a wire is used to its width. Pieces hold parameters of one stage of the
/// backward pass, from the last to the first, as it comes by them.
/// </remarks>
internal sealed class GradientReduction : IDisposable
{
    private const long PieceValues = 1 << 20; // 4 MiB

    private readonly Communicator ranks;
    private readonly Tensor flat; // (values of all parameters, and the signals), fp32
    private readonly Tensor? wire; // the same in bf16, where sums travel so
    private readonly Tensor[] views; // of the flat values, in the parameters' order and shapes
    private readonly int[] stageOf; // of a parameter
    private readonly List<Piece> pieces = [];
    private readonly List<(Piece Piece, Tensor Sent, Task Sum)> begun = [];
    private int next; // the stage that is begun next

    /// <param name="ranks">Who adds.</param>
    /// <param name="parameters">Whose gradients.</param>
    /// <param name="stageOf">In which stage of the backward pass each has its gradient, from 0.</param>
    /// <param name="device">Where they are.</param>
    /// <param name="format">In which they travel.</param>
    public GradientReduction(Communicator ranks, IReadOnlyList<Parameter> parameters, int[] stageOf, Device device, WireFormat format)
    {
        (this.ranks, this.stageOf) = (ranks, stageOf);
        Stages = stageOf.Max() + 1;
        var values = parameters.Sum(p => p.numel()) + StepSignals.Values;
        flat = zeros(values, device: device).DetachFromDisposeScope();
        wire = format == WireFormat.Bf16 ? zeros(values, ScalarType.BFloat16, device).DetachFromDisposeScope() : null;
        views = new Tensor[parameters.Count];
        var (at, piece) = (0L, default(Piece));
        foreach (var i in Enumerable.Range(0, parameters.Count).OrderBy(i => stageOf[i]).ThenByDescending(i => i))
        {
            if (piece is null || piece.Stage != stageOf[i] || piece.Length >= PieceValues) pieces.Add(piece = new Piece(stageOf[i], at));
            views[i] = flat.narrow(0, at, parameters[i].numel()).view(parameters[i].shape).DetachFromDisposeScope();
            piece.Members.Add(i);
            piece.Length += parameters[i].numel();
            at += parameters[i].numel();
        }
        pieces[^1].Length += StepSignals.Values; // they travel with the last
    }

    /// <summary>Into how many stages the backward pass falls.</summary>
    public int Stages { get; }

    /// <summary>Whether a parameter's gradient is on its way already.</summary>
    public bool HasBegun(int parameter) => stageOf[parameter] < next;

    /// <summary>Sends a stage's gradients on their way; stages are begun in their order, the last by <see cref="Finish"/>.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="gradient">This rank's gradient of a parameter, in fp32; null: it does not count.</param>
    public void Begin(int stage, Func<int, Tensor?> gradient)
    {
        if (stage != next) throw new InvalidOperationException($"Stage {stage} of the backward pass was to begin as {next}.");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var piece in pieces.Where(p => p.Stage == stage))
        {
            var counted = piece.Members.Select(i => (View: views[i], Gradient: gradient(i))).ToList();
            foreach (var (view, _) in counted.Where(c => c.Gradient is null)) view.zero_();
            counted.RemoveAll(c => c.Gradient is null);
            if (counted.Count > 0) TensorLists.Copy([.. counted.Select(c => c.View)], [.. counted.Select(c => c.Gradient!)]);
            var sent = piece.Of(wire ?? flat).DetachFromDisposeScope(); // it outlives this call
            if (wire is not null) sent.copy_(piece.Of(flat));
            begun.Add((piece, sent, ranks.StartSum(sent)));
        }
        next++;
    }

    /// <summary>The sums of all ranks' gradients, which are this object's until the next step.</summary>
    /// <param name="gradient">See <see cref="Begin"/>; of the stages that were not begun yet.</param>
    /// <param name="signals">What this rank asks of all; afterwards, what any of them has asked.</param>
    /// <exception cref="RanksException">The ranks could not add.</exception>
    public Tensor[] Finish(Func<int, Tensor?> gradient, ref StepSignals signals)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var asked = flat.narrow(0, flat.numel() - StepSignals.Values, StepSignals.Values);
        asked.copy_(tensor(signals.ToValues()));
        while (next < Stages) Begin(next, gradient);
        foreach (var (piece, sent, sum) in begun)
        {
            sum.GetAwaiter().GetResult();
            if (wire is not null) piece.Of(flat).copy_(sent);
            sent.Dispose();
        }
        begun.Clear();
        next = 0;
        signals = StepSignals.FromValues(asked.cpu().data<float>().ToArray());
        return views;
    }

    public void Dispose()
    {
        foreach (var view in views) view.Dispose();
        wire?.Dispose();
        flat.Dispose();
    }

    /// <summary>A contiguous piece of the flat values.</summary>
    /// <param name="stage">Of the backward pass.</param>
    /// <param name="start">Its first value.</param>
    private sealed class Piece(int stage, long start)
    {
        public int Stage => stage;

        public long Length { get; set; }

        public List<int> Members { get; } = [];

        public Tensor Of(Tensor values) => values.narrow(0, start, Length);
    }
}

/// <summary>What a rank asks of all with a step.</summary>
/// <param name="Stop">To end the run, with a checkpoint.</param>
/// <param name="Save">To write a checkpoint.</param>
internal readonly record struct StepSignals(bool Stop, bool Save)
{
    /// <summary>How many values carry them.</summary>
    public const int Values = 2;

    public float[] ToValues() => [Stop ? 1 : 0, Save ? 1 : 0];

    /// <param name="sums">Of all ranks' values: what any has asked for is above 0.</param>
    public static StepSignals FromValues(float[] sums) => new(sums[0] > 0, sums[1] > 0);
}

/// <summary>The number format in which gradients travel between ranks.</summary>
public enum WireFormat
{
    /// <summary>32 bits: sums differ from one rank's by their order alone.</summary>
    Fp32,

    /// <summary>16 bits with fp32's range: half of the traffic, and each sum is rounded to 8 significant bits once a rank.</summary>
    Bf16,
}
