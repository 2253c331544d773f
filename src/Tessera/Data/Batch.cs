using Tessera.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>One batch as the loader hands it over, in the CPU's memory: pixels, and everything random that happens to them.</summary>
/// <param name="Images">(B, C, H, W) uint8, or null where the pixels are on the device already (<see cref="ResidentPixels"/>)</param>
/// <param name="Views">What was drawn for each view of the plan.</param>
/// <param name="Labels">(B) int64, -1 for a picture without one; null where the plan asks for none.</param>
/// <param name="Pictures">(B) int64: the pictures' indices in their data set (that of a broken picture where another stands in for it).</param>
/// <param name="Mix">How each picture is mixed with the one that follows it; null: not at all.</param>
/// <param name="Paths">(B, 2·depth) float32: what each branch of a model's blocks is multiplied by, see <see cref="DropPathSampler"/>; null: no branch is skipped.</param>
public sealed record Batch(Tensor? Images, IReadOnlyList<ViewDraw> Views, Tensor? Labels, Tensor Pictures, MixDraw? Mix = null, Tensor? Paths = null) : IDisposable
{
    private readonly int? whole;
    private readonly PackedTensors? packed; // where all of its tensors lie; null: each for itself

    private Batch(Batch other) // what `with` begins from
    {
        (Images, Views, Labels, Pictures, Mix, Paths, whole) = (other.Images, other.Views, other.Labels, other.Pictures, other.Mix, other.Paths, other.whole);
        packed = null; // the copy will have other tensors
    }

    private Batch(Batch other, PackedTensors packed) : this(other) => this.packed = packed;

    /// <summary>Number of pictures B.</summary>
    public int Count => (int)Pictures.shape[0];

    /// <summary>Pictures of the whole batch, of which this is a rank's share or a part.</summary>
    public int Whole { get => whole ?? Count; init => whole = value; }

    /// <summary>Some of its pictures, in the same memory; the tensors belong to the dispose scope at hand.</summary>
    internal Batch Part(Range pictures)
    {
        var (start, count) = pictures.GetOffsetAndLength(Count);
        var end = start + count;
        var part = (this with { Mix = null }).Each(t => t.narrow(0, start, count));
        if (Mix is null) return part;
        var next = end < Count ? (this with { Mix = null }).Each(t => t.narrow(0, end, 1)) : Mix.Next.Each(t => t.alias());
        return part with { Mix = Mix.Each(t => t.narrow(0, start, count), next) };
    }

    /// <summary>The same batch in the same memory, which lives as long as either of the two.</summary>
    internal Batch Share() => Each(t => t.alias().DetachFromDisposeScope());

    /// <summary>
    /// The same batch in memory that a GPU fetches by itself, so that the transfer waits for nothing, and a piece for each number format, so that there are
    /// two or three transfers; this one is freed.
    /// </summary>
    public Batch Pin() => Packed(t => t.pin_memory());

    /// <summary>The same batch in one piece a number format; this one is freed.</summary>
    /// <param name="keep">See <see cref="PackedTensors.Of"/>.</param>
    internal Batch Packed(Func<Tensor, Tensor> keep)
    {
        using (this)
        {
            var tensors = new List<Tensor>();
            Each(t =>
            {
                tensors.Add(t);
                return t;
            });
            return Of(PackedTensors.Of(tensors, keep));
        }
    }

    /// <summary>The same batch on a device; on the CPU in the same memory. It lives by itself.</summary>
    internal Batch On(Device device) => device.type == DeviceType.CPU ? Share()
        : packed is null ? Each(t => t.to(device, non_blocking: true).DetachFromDisposeScope())
        : Of(packed.To(device));

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images?.Dispose();
        foreach (var view in Views) view.Dispose();
        Labels?.Dispose();
        Pictures.Dispose();
        Mix?.Dispose();
        Paths?.Dispose();
        packed?.Dispose();
    }

    /// <summary>This batch with the tensors of others that lie where its own do.</summary>
    private Batch Of(PackedTensors others)
    {
        using var tensors = others.Open().GetEnumerator();
        return new Batch(Each(_ => tensors.MoveNext() ? tensors.Current : throw new ArgumentException("There are fewer tensors than a batch has.", nameof(others))), others);
    }

    private Batch Each(Func<Tensor, Tensor> change)
    {
        Tensor? Of(Tensor? value) => value is null ? null : change(value);
        return new Batch(Of(Images), [.. Views.Select(v => v.Each(change))], Of(Labels), change(Pictures), Mix?.Each(change, Mix.Next.Each(change)), Of(Paths)) { Whole = Whole };
    }
}

/// <summary>What was drawn for one view of each picture of a batch.</summary>
/// <param name="Crops">(B, 5) float32, or null where pictures are taken whole</param>
/// <param name="Colours">(B, C, C + 1) float32, or null where colours stay</param>
/// <param name="Mask">Which patches are hidden; null: none.</param>
/// <param name="Policy">(B, 2) float32: a blur and a solarization, see <see cref="Augmentation.DrawPolicy"/>; null: neither.</param>
/// <param name="Erased">(B, 4) float32: the rectangle that is erased, see <see cref="Augmentation.DrawErased"/>; null: none.</param>
public sealed record ViewDraw(Tensor? Crops, Tensor? Colours, PatchMask? Mask, Tensor? Policy = null, Tensor? Erased = null) : IDisposable
{
    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Crops?.Dispose();
        Colours?.Dispose();
        Mask?.Dispose();
        Policy?.Dispose();
        Erased?.Dispose();
    }

    internal ViewDraw Each(Func<Tensor, Tensor> change)
    {
        Tensor? Of(Tensor? value) => value is null ? null : change(value);
        return new ViewDraw(Of(Crops), Of(Colours), Mask?.Each(change), Of(Policy), Of(Erased));
    }
}
