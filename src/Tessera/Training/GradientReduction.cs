using Tessera.Ranks;
using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>Adds the gradients of all ranks up, in flat pieces: while one is on its way, the next is laid together.</summary>
/// <remarks>
/// Pieces are of a few megabytes: small enough to be begun early, and large enough that a wire is used to its width. They hold the parameters from the last
/// to the first, as the backward pass comes by them.
/// </remarks>
internal sealed class GradientReduction : IDisposable
{
    private const long PieceValues = 1 << 20; // 4 MiB

    private readonly Communicator ranks;
    private readonly Tensor flat; // (values of all parameters, and the signals), fp32
    private readonly Tensor? wire; // the same in bf16, where sums travel so
    private readonly Tensor[] views; // of the flat values, in the parameters' order and shapes
    private readonly List<Piece> pieces = [];

    /// <param name="ranks">Who adds.</param>
    /// <param name="parameters">Whose gradients.</param>
    /// <param name="device">Where they are.</param>
    /// <param name="format">In which they travel.</param>
    public GradientReduction(Communicator ranks, IReadOnlyList<Parameter> parameters, Device device, WireFormat format)
    {
        this.ranks = ranks;
        var values = parameters.Sum(p => p.numel()) + StepSignals.Values;
        flat = zeros(values, device: device).DetachFromDisposeScope();
        wire = format == WireFormat.Bf16 ? zeros(values, ScalarType.BFloat16, device).DetachFromDisposeScope() : null;
        views = new Tensor[parameters.Count];
        var (at, piece) = (0L, new Piece(0, []));
        for (var i = parameters.Count - 1; i >= 0; i--)
        {
            views[i] = flat.narrow(0, at, parameters[i].numel()).view(parameters[i].shape).DetachFromDisposeScope();
            piece.Members.Add(i);
            at += parameters[i].numel();
            if (at - piece.Start < PieceValues && i > 0) continue;
            pieces.Add(piece with { Length = (i == 0 ? values : at) - piece.Start }); // the signals travel with the last
            piece = new Piece(at, []);
        }
    }

    /// <summary>The sums of all ranks' gradients, which are this object's until the next call.</summary>
    /// <param name="gradients">This rank's, in fp32.</param>
    /// <param name="counts">Whether this rank's gradient of a parameter counts.</param>
    /// <param name="signals">What this rank asks of all; afterwards, what any of them has asked.</param>
    /// <exception cref="RanksException">The ranks could not add.</exception>
    public Tensor[] Sum(Tensor[] gradients, Func<int, bool> counts, ref StepSignals signals)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var asked = flat.narrow(0, flat.numel() - StepSignals.Values, StepSignals.Values);
        asked.copy_(tensor(signals.ToValues()));
        var sums = new List<Task>();
        foreach (var piece in pieces)
        {
            var counted = piece.Members.FindAll(i => counts(i));
            if (counted.Count > 0) TensorLists.Copy([.. counted.Select(i => views[i])], [.. counted.Select(i => gradients[i])]);
            foreach (var i in piece.Members.Except(counted)) views[i].zero_();
            sums.Add(ranks.StartSum(wire is null ? piece.Of(flat) : piece.Of(wire).copy_(piece.Of(flat))));
        }
        foreach (var (piece, sum) in pieces.Zip(sums))
        {
            sum.GetAwaiter().GetResult();
            if (wire is not null) piece.Of(flat).copy_(piece.Of(wire));
        }
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
    /// <param name="Start">Its first value.</param>
    /// <param name="Members">Its parameters.</param>
    private sealed record Piece(long Start, List<int> Members)
    {
        public long Length { get; init; }

        public Tensor Of(Tensor values) => values.narrow(0, Start, Length);
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
