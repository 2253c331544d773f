using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>AdamW over all parameters at once, in libtorch's fused kernels.</summary>
/// <remarks>
/// Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2. TorchSharp's own AdamW makes about nine native calls a parameter;
/// this makes two a step, one for the parameters that decay and one for those that do not (biases, norms, tokens, positions).
/// Its state is public, so that a checkpoint can hold it.
/// </remarks>
public sealed class AdamW : IDisposable
{
    // The caller of _fused_adamw_ counts the steps: with a count of 0 the bias correction divides by zero.
    private const string Script = """
        def step(weights: List[Tensor], gradients: List[Tensor], means: List[Tensor], squares: List[Tensor], counts: List[Tensor],
                 rate: float, beta1: float, beta2: float, decay: float, epsilon: float):
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(weights, gradients, means, squares, [], counts, lr=rate, beta1=beta1, beta2=beta2,
                                weight_decay=decay, eps=epsilon, amsgrad=False, maximize=False)

        def clip(gradients: List[Tensor], limit: float):
            norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, torch.clamp(limit / (norm + 1e-6), max=1.0))

        """; // The compiler wants the last line ended.

    private readonly jit.CompilationUnit kernels = jit.compile(Script);
    private readonly AdamWOptions options;
    private readonly List<Group> groups;
    private readonly Parameter[] all;

    /// <summary>Prepares the optimiser; its means start at zero.</summary>
    /// <param name="model">Its parameters, where they are now, are what is trained.</param>
    /// <param name="options">The constants.</param>
    public AdamW(nn.Module model, AdamWOptions options)
    {
        this.options = options;
        var named = model.named_parameters().ToList();
        all = [.. named.Select(p => p.parameter)];
        groups =
        [
            new Group(named.Where(p => Decays(p.name, p.parameter)), options.WeightDecay),
            new Group(named.Where(p => !Decays(p.name, p.parameter)), 0),
        ];
    }

    /// <summary>The optimiser's tensors by name: <c>mean.NAME</c> and <c>square.NAME</c>, in the parameter's shape.</summary>
    public IEnumerable<(string Name, Tensor Value)> State => groups.SelectMany(g => g.State);

    /// <summary>Steps made so far; set when a run is resumed.</summary>
    public long Steps
    {
        get => groups[0].Steps;
        set => groups.ForEach(g => g.Steps = value);
    }

    /// <summary>Whether decay applies: to matrices, and not to biases, norms, tokens and positions.</summary>
    internal static bool Decays(string name, Tensor parameter) =>
        parameter.dim() > 1 && !name.Contains("_token", StringComparison.Ordinal) && !name.Contains("pos_embed", StringComparison.Ordinal);

    /// <summary>Scales the gradients so that their norm is at most <paramref name="limit"/>, without waiting for the device.</summary>
    public void Clip(double limit)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        kernels.invoke("clip", all.Select(p => p.grad!).ToArray(), limit);
    }

    /// <summary>One step on the gradients at hand, which are then let go.</summary>
    public void Step(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var group in groups)
        {
            if (group.Weights.Length == 0) continue;
            kernels.invoke("step", group.Weights, group.Gradients(), group.Means, group.Squares, group.Counts,
                learningRate, options.Beta1, options.Beta2, group.Decay, options.Epsilon);
            group.CountStep();
        }
        // Letting go instead of writing zeros spares a pass over memory, and the next backward pass hands its buffers over.
        foreach (var parameter in all) parameter.grad = null;
    }

    /// <summary>Frees the optimiser's tensors; the parameters stay.</summary>
    public void Dispose()
    {
        groups.ForEach(g => g.Dispose());
        kernels.Dispose();
    }

    private sealed class Group : IDisposable
    {
        private readonly string[] names;
        private long steps;

        public Group(IEnumerable<(string name, Parameter parameter)> named, double decay)
        {
            var list = named.ToList();
            Decay = decay;
            names = [.. list.Select(p => p.name)];
            Weights = [.. list.Select(p => p.parameter)];
            Means = [.. Weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            Squares = [.. Weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            Counts = [.. Weights.Select(w => zeros(1, device: w.device).squeeze_(0).DetachFromDisposeScope())];
        }

        public double Decay { get; }
        public Tensor[] Weights { get; }
        public Tensor[] Means { get; }
        public Tensor[] Squares { get; }
        public Tensor[] Counts { get; }

        public long Steps
        {
            get => steps;
            set
            {
                using var quiet = no_grad();
                foreach (var count in Counts) _ = count.fill_(value);
                steps = value;
            }
        }

        /// <summary>A step that the kernel has added to <see cref="Counts"/> already.</summary>
        public void CountStep() => steps++;

        public IEnumerable<(string, Tensor)> State =>
            names.Select((n, i) => ($"mean.{n}", Means[i])).Concat(names.Select((n, i) => ($"square.{n}", Squares[i])));

        public Tensor[] Gradients() => [.. Weights.Select((w, i) => w.grad
            ?? throw new InvalidOperationException($"The parameter {names[i]} has no gradient: it takes no part in the loss."))];

        public void Dispose()
        {
            foreach (var tensor in Means.Concat(Squares).Concat(Counts)) tensor.Dispose();
        }
    }
}
