using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Runtime;

namespace Tessera.Models.Fused;

/// <summary>
/// Attention in bf16, one head of one picture at a time, so that all it computes with stays in a core's cache: scores and their softmax are fp32 and never
/// leave it, and queries, keys and values are read where the layer before wrote them.
/// </summary>
/// <remarks>Used by one thread. Rows of attention's shares are padded with zeros to <see cref="Padded"/>, a multiple of 16.</remarks>
internal sealed unsafe class HeadAttention : IDisposable
{
    private const int MostTokens = 256; // beyond, scores would not stay in a core's second cache
    private const int Lanes = BlockKernels.Lanes;

    private readonly int tokens, width, heads, headWidth;
    private readonly float scale;
    private readonly CacheMemory memory = new();
    private readonly float* product; // (tokens, padded or headWidth)
    private readonly Bf16* right; // a right factor, in panels
    private readonly Bf16* pairs; // (padded / 2, padded) pairs of rows
    private readonly Bf16* turned; // (padded, padded)
    private readonly Bf16* slopes; // (tokens, padded)

    /// <param name="tokens">Of each picture.</param>
    /// <param name="width">Numbers in each.</param>
    /// <param name="heads">Heads.</param>
    public HeadAttention(int tokens, int width, int heads)
    {
        (this.tokens, this.width, this.heads, headWidth) = (tokens, width, heads, width / heads);
        scale = 1 / MathF.Sqrt(headWidth);
        Padded = Panels.Padded(tokens);
        product = memory.Take<float>((long)tokens * Math.Max(Padded, headWidth));
        right = memory.Take<Bf16>(Math.Max(Panels.Length(headWidth, Padded), Panels.Length(Padded, headWidth)));
        pairs = memory.Take<Bf16>((long)Padded * Padded);
        turned = memory.Take<Bf16>((long)Padded * Padded);
        slopes = memory.Take<Bf16>((long)Padded * Padded);
    }

    /// <summary>Numbers in a row of shares.</summary>
    public int Padded { get; }

    /// <summary>Whether it can be had, and is worth it, for pictures of so many tokens.</summary>
    public static bool Suits(int tokens) => tokens <= MostTokens && SmallProducts.AreFast;

    /// <summary>Numbers that the shares of so many pictures take.</summary>
    public long SharesOf(long pictures) => pictures * heads * tokens * Padded;

    /// <summary>Attends.</summary>
    /// <param name="together">(pictures, tokens, 3, heads, headWidth): queries, keys and values.</param>
    /// <param name="shares">(pictures, heads, tokens, padded), written.</param>
    /// <param name="joined">(pictures, tokens, heads, headWidth), written: the values' means by those shares.</param>
    /// <param name="pictures">Pictures.</param>
    public void Forward(Bf16* together, Bf16* shares, Bf16* joined, long pictures)
    {
        for (var head = 0L; head < pictures * heads; head++, shares += tokens * Padded)
        {
            Bf16* queries = together + 3 * Picture(head) + Column(head), keys = queries + width, values = keys + width;
            Panels.Turn(keys, 3 * width, tokens, headWidth, right);
            SmallProducts.Multiply(queries, 3 * width, right, product, tokens, Padded, headWidth);
            Softmax(shares);
            Panels.Pair(values, 3 * width, tokens, Padded, headWidth, right);
            SmallProducts.Multiply(shares, Padded, right, product, tokens, headWidth, Padded);
            BlockKernels.Narrow(product, joined + Picture(head) + Column(head), width, tokens, headWidth);
        }
    }

    /// <summary>Goes back.</summary>
    /// <param name="together">As it was.</param>
    /// <param name="shares">What was written.</param>
    /// <param name="ofJoined">(pictures, tokens, heads, headWidth): the gradient of what was written.</param>
    /// <param name="ofTogether">(pictures, tokens, 3, heads, headWidth), written: the gradient of queries, keys and values.</param>
    /// <param name="sums">(3, heads, headWidth), added to: its sum over pictures and tokens.</param>
    /// <param name="pictures">Pictures.</param>
    public void Backward(Bf16* together, Bf16* shares, Bf16* ofJoined, Bf16* ofTogether, float* sums, long pictures)
    {
        for (var head = 0L; head < pictures * heads; head++, shares += tokens * Padded)
        {
            var given = ofJoined + Picture(head) + Column(head);
            Bf16* queries = together + 3 * Picture(head) + Column(head), keys = queries + width, values = keys + width;
            Bf16* ofQueries = ofTogether + 3 * Picture(head) + Column(head), ofKeys = ofQueries + width, ofValues = ofKeys + width;
            var sum = sums + Column(head);

            TurnSquare(shares);
            Panels.Pair(given, width, tokens, Padded, headWidth, right);
            SmallProducts.Multiply(turned, Padded, right, product, tokens, headWidth, Padded);
            BlockKernels.Narrow(product, ofValues, 3 * width, tokens, headWidth, sums: sum + 2 * width);

            Panels.Turn(values, 3 * width, tokens, headWidth, right);
            SmallProducts.Multiply(given, width, right, product, tokens, Padded, headWidth);
            SoftmaxBackward(shares);
            Panels.Pair(keys, 3 * width, tokens, Padded, headWidth, right);
            SmallProducts.Multiply(slopes, Padded, right, product, tokens, headWidth, Padded);
            BlockKernels.Narrow(product, ofQueries, 3 * width, tokens, headWidth, sums: sum);

            TurnSquare(slopes);
            Panels.Pair(queries, 3 * width, tokens, Padded, headWidth, right);
            SmallProducts.Multiply(turned, Padded, right, product, tokens, headWidth, Padded);
            BlockKernels.Narrow(product, ofKeys, 3 * width, tokens, headWidth, sums: sum + width);
        }
    }

    public void Dispose() => memory.Dispose();

    private long Picture(long head) => head / heads * tokens * width;

    private long Column(long head) => head % heads * headWidth;

    /// <summary>From scores, in <see cref="product"/>.</summary>
    private void Softmax(Bf16* shares)
    {
        var scores = product;
        for (var row = 0; row < tokens; row++, scores += Padded, shares += Padded)
        {
            for (var i = tokens; i < Padded; i++) scores[i] = float.NegativeInfinity;
            var largest = Vector512.Load(scores);
            for (var i = Lanes; i < Padded; i += Lanes) largest = Vector512.MaxNative(largest, Vector512.Load(scores + i));
            var top = Vector512.Create(-scale * AttentionKernels.Largest(largest));
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < Padded; i += Lanes)
            {
                var power = Exp(Vector512.MultiplyAddEstimate(Vector512.Load(scores + i), Vector512.Create(scale), top));
                power.Store(scores + i);
                sum += power;
            }
            var share = Vector512.Create(1 / Vector512.Sum(sum));
            for (var i = 0; i < Padded; i += Lanes) Bf16.Store(shares + i, Vector512.Load(scores + i) * share);
        }
    }

    /// <summary>e to the power of numbers of at most 0, within 4e-6 of itself, of which bf16 keeps 4e-3; below -87 it is that of -87, which no share shows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Exp(Vector512<float> x)
    {
        // x = n · ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor series.
        x = Avx512F.Max(Vector512.Create(-87f), x); // the second where one is no number
        var n = Avx512F.RoundScale(x * Vector512.Create(1.44269504f), 0);
        var r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-.69314718f), x);
        var series = Vector512.MultiplyAddEstimate(r, Vector512.Create(1f / 120), Vector512.Create(1f / 24));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512.Create(1f / 6));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512.Create(.5f));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512<float>.One);
        series = Vector512.MultiplyAddEstimate(series, r, Vector512<float>.One);
        return Avx512F.Scale(series, n);
    }

    /// <summary>From the gradient of shares, in <see cref="product"/>, that of scores, in <see cref="slopes"/>.</summary>
    private void SoftmaxBackward(Bf16* shares)
    {
        var gradient = product;
        var to = slopes;
        for (var row = 0; row < tokens; row++, shares += Padded, gradient += Padded, to += Padded)
        {
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < Padded; i += Lanes) sum = Vector512.MultiplyAddEstimate(Bf16.Load(shares + i), Vector512.Load(gradient + i), sum);
            var mean = Vector512.Create(Vector512.Sum(sum));
            for (var i = 0; i < Padded; i += Lanes) Bf16.Store(to + i, (Vector512.Load(gradient + i) - mean) * Bf16.Load(shares + i) * scale);
        }
    }

    /// <summary>Puts the transposed square in <see cref="turned"/>: where pairs of rows are turned as one number, each turned row is the transposed one.</summary>
    private void TurnSquare(Bf16* square)
    {
        Panels.Pair(square, Padded, tokens, Padded, Padded, pairs, Padded);
        Panels.Turn(pairs, 2 * Padded, Padded / 2, 2 * Padded, turned, Padded / 2);
    }
}
