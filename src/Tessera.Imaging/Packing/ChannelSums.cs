using System.Numerics;
using System.Runtime.InteropServices;

namespace Tessera.Imaging.Packing;

/// <summary>Sums and sums of squares a channel, in whole numbers: exact, so the order of pictures does not matter.</summary>
internal sealed class ChannelSums(int channels)
{
    private readonly UInt128[] sums = new UInt128[channels];
    private readonly UInt128[] squares = new UInt128[channels];
    private long pixels;

    /// <param name="planar">One picture, (C, H, W).</param>
    public void Add(ReadOnlySpan<byte> planar)
    {
        var plane = planar.Length / channels;
        for (var channel = 0; channel < channels; channel++)
        {
            var (sum, square) = SumsOf(planar.Slice(channel * plane, plane));
            sums[channel] += sum;
            squares[channel] += square;
        }
        pixels += plane;
    }

    public void Add(ChannelSums other)
    {
        for (var channel = 0; channel < channels; channel++)
        {
            sums[channel] += other.sums[channel];
            squares[channel] += other.squares[channel];
        }
        pixels += other.pixels;
    }

    /// <summary>On the scale 0 to 1.</summary>
    public double[] Mean() => Array.ConvertAll(sums, sum => (double)sum / pixels / 255);

    /// <summary>Of the whole population (divided by the number of pixels), on the scale 0 to 1.</summary>
    public double[] StandardDeviation() => [.. sums.Zip(squares, Deviation)];

    private double Deviation(UInt128 sum, UInt128 square)
    {
        // (n·Σx² - (Σx)²) / n²: in whole numbers nothing cancels.
        var count = (UInt128)pixels;
        return Math.Sqrt((double)(count * square - sum * sum)) / pixels / 255;
    }

    private static (ulong Sum, ulong Square) SumsOf(ReadOnlySpan<byte> values)
    {
        const int run = 1 << 12; // vectors whose squares fit 32-bit lanes: 4096 · 4 · 65,025 < 2³²
        ulong sum = 0, square = 0;
        var vectors = MemoryMarshal.Cast<byte, Vector<byte>>(values);
        for (var start = 0; start < vectors.Length; start += run)
        {
            var (runSums, runSquares) = (Vector<uint>.Zero, Vector<uint>.Zero);
            foreach (var vector in vectors[start..Math.Min(vectors.Length, start + run)])
            {
                Vector.Widen(vector, out var low, out var high);
                Vector.Widen(low + high, out var lowSums, out var highSums);
                Vector.Widen(low * low, out var a, out var b);
                Vector.Widen(high * high, out var c, out var d);
                runSums += lowSums + highSums;
                runSquares += a + b + c + d;
            }
            Vector.Widen(runSums, out var firstSums, out var secondSums);
            Vector.Widen(runSquares, out var firstSquares, out var secondSquares);
            sum += Vector.Sum(firstSums + secondSums);
            square += Vector.Sum(firstSquares + secondSquares);
        }
        foreach (var value in values[(vectors.Length * Vector<byte>.Count)..])
            (sum, square) = (sum + value, square + (ulong)(value * value));
        return (sum, square);
    }
}
