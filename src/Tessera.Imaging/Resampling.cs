using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tessera.Imaging;

/// <summary>Resizing as Pillow does it: a separable bicubic filter (a = -0.5), widened when shrinking so that nothing aliases.</summary>
/// <remarks>
/// Keys 1981. The box that is read keeps the target's proportions and lies in the picture's centre, to a fraction of a pixel:
/// resizing the shortest side and cropping are one step. Sums are taken in one order whatever the vector width, without fused
/// multiply-add, so that every machine gets the same bytes.
/// </remarks>
internal static class Resampling
{
    /// <summary>The same of pixels that lie in planes.</summary>
    /// <param name="stored">(C, H, W).</param>
    /// <param name="storedShape">Its shape.</param>
    /// <param name="shape">The target's.</param>
    /// <param name="planar">(C, H, W), at least as long as the shape says.</param>
    public static void CoverAndCrop(ReadOnlySpan<byte> stored, ImageShape storedShape, ImageShape shape, Span<byte> planar)
    {
        if (shape == storedShape)
        {
            stored.CopyTo(planar);
            return;
        }
        var length = 4 * storedShape.Height * storedShape.Width;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            PixelLayout.ToInterleaved(stored, storedShape.Channels, buffer.AsSpan(0, length));
            CoverAndCrop(buffer.AsSpan(0, length), storedShape.Width, storedShape.Height, shape, planar[..shape.Pixels]);
        }
        finally { ArrayPool<byte>.Shared.Return(buffer); }
    }

    /// <param name="interleaved">(height, width, 4) bytes, the fourth ignored.</param>
    /// <param name="width">The source's.</param>
    /// <param name="height">The source's.</param>
    /// <param name="shape">The target's.</param>
    /// <param name="planar">(C, H, W), exactly as long as the shape says.</param>
    public static void CoverAndCrop(ReadOnlySpan<byte> interleaved, int width, int height, ImageShape shape, Span<byte> planar)
    {
        if (width == shape.Width && height == shape.Height)
        {
            PixelLayout.ToPlanar(interleaved, shape.Channels, planar);
            return;
        }

        var reduction = Math.Min((double)width / shape.Width, (double)height / shape.Height); // source pixels a target pixel
        var columns = Taps.Of(width, shape.Width, reduction);
        var rows = Taps.Of(height, shape.Height, reduction);
        var firstRow = rows.First[0];
        var rowCount = rows.First[^1] + rows.Count[^1] - firstRow;
        var stride = 4 * shape.Width;
        var narrow = ArrayPool<float>.Shared.Rent((rowCount + 1) * stride);
        try
        {
            for (var row = 0; row < rowCount; row++)
                FilterRow(interleaved.Slice((firstRow + row) * 4 * width, 4 * width), columns, narrow.AsSpan(row * stride, stride));
            var sum = narrow.AsSpan(rowCount * stride, stride);
            for (var y = 0; y < shape.Height; y++)
            {
                sum.Clear();
                for (var tap = 0; tap < rows.Count[y]; tap++)
                    AddScaled(narrow.AsSpan((rows.First[y] - firstRow + tap) * stride, stride), rows.Weights[y * rows.Most + tap], sum);
                StoreRow(sum, y, shape, planar);
            }
        }
        finally { ArrayPool<float>.Shared.Return(narrow); }
    }

    private static void FilterRow(ReadOnlySpan<byte> row, Taps columns, Span<float> narrow)
    {
        var pixels = MemoryMarshal.Cast<byte, uint>(row);
        for (var x = 0; x < columns.First.Length; x++)
        {
            var sum = Vector128<float>.Zero;
            var window = pixels.Slice(columns.First[x], columns.Count[x]);
            var weights = columns.Weights.AsSpan(x * columns.Most, window.Length);
            for (var tap = 0; tap < window.Length; tap++)
            {
                var bytes = Vector128.CreateScalarUnsafe(window[tap]).AsByte();
                var channels = Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32());
                sum += channels * weights[tap];
            }
            sum.CopyTo(narrow[(4 * x)..]);
        }
    }

    private static void AddScaled(ReadOnlySpan<float> row, float weight, Span<float> sum)
    {
        var from = MemoryMarshal.Cast<float, Vector<float>>(row);
        var to = MemoryMarshal.Cast<float, Vector<float>>(sum);
        for (var i = 0; i < from.Length; i++)
            to[i] += from[i] * weight;
        for (var i = from.Length * Vector<float>.Count; i < row.Length; i++)
            sum[i] += row[i] * weight;
    }

    private static void StoreRow(ReadOnlySpan<float> sum, int y, ImageShape shape, Span<byte> planar)
    {
        var plane = shape.Height * shape.Width;
        for (var x = 0; x < shape.Width; x++)
        {
            var (red, green, blue) = (ToByte(sum[4 * x]), ToByte(sum[4 * x + 1]), ToByte(sum[4 * x + 2]));
            var place = y * shape.Width + x;
            if (shape.Channels == 1)
                planar[place] = PixelLayout.Luma(red, green, blue);
            else
                (planar[place], planar[plane + place], planar[2 * plane + place]) = (red, green, blue);
        }
    }

    private static byte ToByte(float value) => (byte)Math.Clamp(value + 0.5f, 0f, 255f);

    /// <summary>For each target pixel along one axis: which source pixels it reads, and with which weights (they sum to 1).</summary>
    private sealed record Taps(int[] First, int[] Count, float[] Weights, int Most)
    {
        public static Taps Of(int source, int target, double reduction)
        {
            var stretch = Math.Max(reduction, 1);
            var reach = 2 * stretch;
            var start = (source - target * reduction) / 2;
            var most = (int)Math.Ceiling(reach) * 2 + 1;
            var taps = new Taps(new int[target], new int[target], new float[target * most], most);
            Span<double> weights = most <= 256 ? stackalloc double[most] : new double[most];
            for (var i = 0; i < target; i++)
            {
                var centre = start + (i + 0.5) * reduction;
                var first = Math.Max(0, (int)Math.Floor(centre - reach + 0.5));
                var end = Math.Min(source, (int)Math.Floor(centre + reach + 0.5));
                var total = 0.0;
                for (var j = first; j < end; j++)
                    total += weights[j - first] = Cubic((j + 0.5 - centre) / stretch);
                for (var j = first; j < end; j++)
                    taps.Weights[i * most + j - first] = (float)(weights[j - first] / total);
                (taps.First[i], taps.Count[i]) = (first, end - first);
            }
            return taps;
        }

        private static double Cubic(double x)
        {
            x = Math.Abs(x);
            return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
        }
    }
}
