using System.Runtime.InteropServices;
using Tessera.Data;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Training;

// Losses in which pictures meet: embeddings of all parts first, then one loss, then each part backward (Gao et al. 2021, arXiv:2101.06983).
public sealed partial class TrainingStep
{
    private readonly List<CoupledPart> waiting = []; // of the batches so far, in their order
    private Tensor[]? projections; // the projector's gradients

    /// <summary>Computes the parts of a batch as far as their embeddings.</summary>
    private void EmbedParts(Batch batch, IReadOnlyList<Range> ranges, Tensor[] losses, bool isLast)
    {
        var (first, budget) = (waiting.Count, KeptPictures(batch));
        var before = waiting.Sum(p => p.Count);
        for (var i = 0; i < ranges.Count; i++)
        {
            var count = ranges[i].GetOffsetAndLength(batch.Count).Length;
            waiting.Add(new CoupledPart(batch.Share(), ranges[i], keepsGraph: before + count <= budget, isLast: isLast && i + threads.Count >= ranges.Count));
            before += count;
        }
        ForEach(ranges.Count, (i, worker) => losses[i] = Embed(waiting[first + i], worker));
    }

    /// <summary>How many pictures of the effective batch keep what their forward pass computed.</summary>
    private long KeptPictures(Batch batch) => device.type == DeviceType.CPU ? BatchParts.KeptPictures(BytesKept)
        : keptBytes is { } bytes ? bytes / BytesKept : batch.Count;

    /// <returns>The part's share of the batch's loss.</returns>
    private Tensor Embed(CoupledPart part, int worker)
    {
        using var scope = NewDisposeScope();
        using var quiet = part.KeepsGraph ? null : no_grad();
        var made = Forward(part, worker, marks: part.IsLast && part.KeepsGraph);
        part.Keep(made);
        return made.Loss is null ? zeros(1, device: device).squeeze_(0).DetachFromDisposeScope()
            : made.Loss.detach().Times(part.Share).DetachFromDisposeScope();
    }

    private ObjectivePart Forward(CoupledPart part, int worker, bool marks)
    {
        var pictures = part.Batch.Part(part.Range);
        var views = Timed(StepPhase.Augment, worker, () => preparation.Prepare(pictures));
        if (marks) part.Marks = stages?.Mark();
        var made = Timed(StepPhase.Forward, worker, () => objective.Forward(views));
        stages?.EndMarking();
        return made;
    }

    /// <summary>Couples all parts that wait, and takes the gradients of both losses.</summary>
    private Tensor AddCoupledGradients()
    {
        using var scope = NewDisposeScope();
        var (loss, rows) = Phases is { } phases ? phases.TimeForAll(StepPhase.Couple, Couple) : Couple();
        var (offset, starts) = (0L, new long[waiting.Count]);
        for (var i = 0; i < starts.Length; i++) (starts[i], offset) = (offset, offset + waiting[i].Count);
        stages?.Begin(Math.Min(waiting.Count, threads.Count));
        ForEach(waiting.Count, (i, worker) => GoBack(waiting[i], rows, starts[i], worker));
        return loss.detach().DetachFromDisposeScope();
    }

    /// <returns>The loss, and its gradient with respect to the embeddings, (B, K).</returns>
    private (Tensor Loss, Tensor Rows) Couple()
    {
        var own = cat([.. waiting.Select(p => p.Embeddings.detach().to(ScalarType.Float32))], dim: 0); // (b, K)
        var all = (ranks.IsAlone ? own : OfAllRanks(own)).requires_grad_(); // (B, K)
        var loss = objective.Couple(all);
        var gradients = TensorLists.Gradients([loss], [all, .. projected]);
        projections = Owned(gradients[1..]);
        return (loss, ranks.IsAlone ? gradients[0] : cat([.. Places().Select(p => gradients[0].narrow(0, p.Start, p.Count))]));
    }

    /// <summary>The embeddings of the whole effective batch, in its order, whoever computed them.</summary>
    private Tensor OfAllRanks(Tensor own)
    {
        var width = own.shape[1];
        var ofRanks = ranks.Gather(own.cpu().contiguous().bytes.ToArray())
            .Select(rows => tensor(MemoryMarshal.Cast<byte, float>(rows).ToArray()).view(-1, width).to(device)).ToArray();
        var batches = Places().Count;
        return cat([.. Enumerable.Range(0, batches).SelectMany(b => ofRanks.Select(rows => rows.narrow(0, b * (rows.shape[0] / batches), rows.shape[0] / batches)))]);
    }

    /// <summary>Where this rank's pictures stand in the effective batch: a place in each of its batches.</summary>
    private List<(long Start, int Count)> Places()
    {
        var places = new List<(long, int)>();
        foreach (var part in waiting.Where(p => p.Range.GetOffsetAndLength(p.Batch.Count).Offset == 0))
        {
            var (start, count) = share.Of(part.Batch.Whole).GetOffsetAndLength(part.Batch.Whole);
            places.Add(((long)places.Count * part.Batch.Whole + start, count));
        }
        return places;
    }

    private void GoBack(CoupledPart part, Tensor gradients, long start, int worker)
    {
        using var scope = NewDisposeScope();
        var made = part.Made ?? Forward(part, worker, marks: part.IsLast);
        var embeddings = made.Embeddings!;
        var row = gradients.narrow(0, start, part.Count).to(embeddings.dtype);
        Timed(StepPhase.Backward, worker, () => made.Loss is { } loss
            ? Add(worker, [loss.Times(part.Share / options.Accumulate), embeddings], [ones_like(loss), row], part.Marks)
            : Add(worker, [embeddings], [row], part.Marks));
        part.Dispose(); // what its forward pass kept is free for the next
    }

    /// <summary>A part of a batch that waits for the others.</summary>
    private sealed class CoupledPart(Batch batch, Range range, bool keepsGraph, bool isLast) : IDisposable
    {
        private Tensor? embeddings;

        public Batch Batch { get; } = batch;

        public Range Range { get; } = range;

        public bool KeepsGraph { get; } = keepsGraph;

        /// <summary>Whether it is the last with which its worker goes back.</summary>
        public bool IsLast { get; } = isLast;

        /// <summary>Where its backward pass may halt; null: nowhere.</summary>
        public BackwardMarks? Marks { get; set; }

        public int Count { get; } = range.GetOffsetAndLength(batch.Count).Length;

        /// <summary>The part's share of its batch.</summary>
        public double Share => (double)Count / Batch.Whole;

        /// <summary>What the forward pass made, with all that it kept; null where it is made again.</summary>
        public ObjectivePart? Made { get; private set; }

        /// <summary>(b, K)</summary>
        public Tensor Embeddings => embeddings!;

        public void Keep(ObjectivePart made)
        {
            embeddings = made.Embeddings!.DetachFromDisposeScope();
            if (KeepsGraph) Made = made with { Loss = made.Loss?.DetachFromDisposeScope() };
        }

        public void Dispose()
        {
            embeddings?.Dispose();
            Made?.Loss?.Dispose();
            Marks?.Dispose();
            Batch.Dispose();
        }
    }
}
