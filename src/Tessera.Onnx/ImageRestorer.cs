using Microsoft.ML.OnnxRuntime;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>An exported masked autoencoder for applications: a picture and the places that are hidden in, the restored picture out.</summary>
/// <remarks>All members may be called from several threads at once, but for <see cref="Dispose"/>.</remarks>
public sealed partial class ImageRestorer : IDisposable
{
    private readonly OnnxModel model;

    /// <summary>Loads a reconstruction.</summary>
    /// <param name="file">What <c>OnnxExport.Reconstruction</c> wrote.</param>
    /// <param name="options">How it shall run; null: on all cores. The caller disposes them, and may do so at once.</param>
    /// <exception cref="OnnxModelException">There is no such file, or it holds no reconstruction that Tessera exported.</exception>
    public ImageRestorer(string file, SessionOptions? options = null) => model = OnnxModel.Load(file, OnnxMetadata.Reconstruction, options);

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape => model.Shape;

    /// <summary>Rows and columns of patches: place i lies in row i / columns.</summary>
    public (int Rows, int Columns) Grid => (Shape.Height / model.Metadata.PatchSize, Shape.Width / model.Metadata.PatchSize);

    /// <summary>The size of the set of mask tokens, of which one stands at each hidden place.</summary>
    public int MaskTokens => model.Metadata.MaskTokens!.Value; // a reconstruction without was refused

    /// <summary>The share of places that was hidden in training.</summary>
    public double MaskRatio => model.Metadata.MaskRatio ?? .75;

    private int Places => Grid.Rows * Grid.Columns;

    /// <summary>Restores a picture.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <param name="hidden">The places that are hidden, in raster order from 0; see <see cref="Random"/>.</param>
    /// <param name="seed">Mask tokens are drawn by it.</param>
    /// <returns>(H, W, C): restored in the hidden places, the picture's own pixels in the others</returns>
    /// <exception cref="ArgumentException">A place is not in the grid or there twice, or none or all are hidden.</exception>
    /// <exception cref="BrokenImageException">The picture cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public byte[] Restore(string file, IReadOnlyList<int> hidden, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        var interleaved = model.Decode(file);
        var random = new CounterRandom(seed, RandomPurpose.MaskTokens, 0, 0);
        var tokens = new int[hidden.Count];
        foreach (ref var token in tokens.AsSpan()) token = random.NextBelow(MaskTokens);
        return Bytes(Restore(interleaved, hidden, tokens));
    }

    /// <summary>Restores pixels that have <see cref="Shape"/> already.</summary>
    /// <param name="interleaved">(H, W, C), 0 to 255</param>
    /// <param name="hidden">As for <see cref="Restore(string, IReadOnlyList{int}, ulong)"/>.</param>
    /// <param name="tokens">The number of the mask token at each.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>(H, W, C), 0 to 1</returns>
    /// <exception cref="ArgumentException">There are other numbers of bytes or tokens, a place is not in the grid or there twice, or none or all are hidden.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public float[] Restore(Memory<byte> interleaved, IReadOnlyList<int> hidden, IReadOnlyList<int> tokens, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(tokens);
        if (interleaved.Length != Shape.Pixels) throw new ArgumentException($"A picture of {Shape} has {Shape.Pixels} bytes, not {interleaved.Length}.", nameof(interleaved));
        if (tokens.Count != hidden.Count) throw new ArgumentException($"{tokens.Count} tokens do not stand at {hidden.Count} places.", nameof(tokens));
        foreach (var token in tokens)
        {
            if (token < 0 || token >= MaskTokens) throw new ArgumentException($"There is no mask token {token}: they are numbered from 0 to {MaskTokens - 1}.", nameof(tokens));
        }
        var visible = Visible(hidden);
        using var pixels = OnnxModel.Value(interleaved, 1, Shape.Height, Shape.Width, Shape.Channels);
        using var seen = OnnxModel.Value(visible.AsMemory(), 1, visible.Length);
        using var masked = OnnxModel.Value(Long(hidden), 1, hidden.Count);
        using var numbers = OnnxModel.Value(Long(tokens), 1, tokens.Count);
        var picture = new float[Shape.Pixels];
        model.Run(
            [(OnnxMetadata.Pixels, pixels), (OnnxMetadata.Visible, seen), (OnnxMetadata.Hidden, masked), (OnnxMetadata.Tokens, numbers)],
            [(OnnxMetadata.Picture, picture, [1, Shape.Height, Shape.Width, Shape.Channels])], cancellation);
        return picture;
    }

    /// <summary>Draws places to hide.</summary>
    /// <param name="seed">They are a function of it.</param>
    /// <param name="ratio">The share of them; null: <see cref="MaskRatio"/>.</param>
    /// <returns>At least one and not all, ascending</returns>
    public int[] Random(ulong seed, double? ratio = null)
    {
        int[] places = [.. Enumerable.Range(0, Places)];
        new CounterRandom(seed, RandomPurpose.Mask, 0, 0).Shuffle(places);
        var count = Math.Clamp((int)Math.Round((ratio ?? MaskRatio) * Places, MidpointRounding.AwayFromZero), 1, Places - 1);
        return [.. places.Take(count).Order()];
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();

    private long[] Visible(IReadOnlyList<int> hidden)
    {
        var taken = new bool[Places];
        foreach (var place in hidden)
        {
            if (place < 0 || place >= Places) throw new ArgumentException($"There is no place {place}: they are numbered from 0 to {Places - 1}.", nameof(hidden));
            if (taken[place]) throw new ArgumentException($"The place {place} is hidden twice.", nameof(hidden));
            taken[place] = true;
        }
        if (hidden.Count == 0 || hidden.Count == Places) throw new ArgumentException($"{hidden.Count} of {Places} places are hidden: hide at least one, and not all.", nameof(hidden));
        return [.. Enumerable.Range(0, Places).Where(place => !taken[place]).Select(place => (long)place)];
    }

    private static Memory<long> Long(IReadOnlyList<int> numbers) => numbers.Select(number => (long)number).ToArray();

    private static byte[] Bytes(float[] values) => [.. values.Select(value => (byte)MathF.Round(255 * value))];
}
