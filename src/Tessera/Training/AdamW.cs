using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>AdamW over all parameters at once, in libtorch's fused kernels.</summary>
/// <remarks>
/// Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2. TorchSharp's own AdamW makes about nine native calls a parameter;
/// this makes two a step, one for the parameters that decay and one for those that do not (biases, norms, tokens, positions).
/// Its state is public, so that a checkpoint can hold it. Where the model computes in bf16, its parameters are copies of fp32 weights that
/// are kept here: a step smaller than bf16 can tell is still made (Micikevicius et al. 2018, arXiv:1710.03740).
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

        def step_copies(copies: List[Tensor], weights: List[Tensor], gradients: List[Tensor], means: List[Tensor], squares: List[Tensor],
                        counts: List[Tensor], rate: float, beta1: float, beta2: float, decay: float, epsilon: float):
            step(weights, [g.float() for g in gradients], means, squares, counts, rate, beta1, beta2, decay, epsilon)
            torch._foreach_copy_(copies, weights)

        def clip(gradients: List[Tensor], limit: float):
            norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(gradients, 2, 6))) # 6 is float32 here, where its name is unknown
            torch._foreach_mul_(gradients, torch.clamp(limit / (norm + 1e-6), max=1.0))

        """; // The compiler wants the last line ended.

    private readonly jit.CompilationUnit kernels = jit.compile(Script);
    private readonly AdamWOptions options;
    private readonly List<Group> groups;
    private readonly Parameter[] all;

    /// <summary>Prepares the optimiser; its means start at zero.</summary>
    /// <param name="model">Its parameters, where they are now, are what is trained. In bf16 they are copies of the weights.</param>
    /// <param name="options">The constants.</param>
    /// <param name="weights">By name, in fp32, what a bf16 model's parameters are copies of; null: the parameters as they are.</param>
    public AdamW(nn.Module model, AdamWOptions options, IReadOnlyDictionary<string, Tensor>? weights = null)
    {
        this.options = options;
        var named = model.named_parameters().ToList();
        all = [.. named.Select(p => p.parameter)];
        groups =
        [
            new Group(named.Where(p => Decays(p.name, p.parameter)), weights, options.WeightDecay),
            new Group(named.Where(p => !Decays(p.name, p.parameter)), weights, 0),
        ];
    }

    /// <summary>The optimiser's tensors by name: <c>mean.NAME</c> and <c>square.NAME</c>, in the parameter's shape.</summary>
    public IEnumerable<(string Name, Tensor Value)> State => groups.SelectMany(g => g.State);

    /// <summary>What is learned, by name, in fp32: the model's parameters, or what they are copies of.</summary>
    public IEnumerable<(string Name, Tensor Value)> Weights => groups.SelectMany(g => g.Named).OrderBy(w => w.Name, StringComparer.Ordinal);

    /// <summary>Brings a bf16 model's parameters up to date with <see cref="Weights"/> that were changed from outside.</summary>
    public void CopyToModel()
    {
        using var quiet = no_grad();
        foreach (var group in groups) group.CopyToModel();
    }

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
            if (group.Copies is { } copies)
            {
                kernels.invoke("step_copies", copies, group.Weights, group.Gradients(), group.Means, group.Squares, group.Counts,
                    learningRate, options.Beta1, options.Beta2, group.Decay, options.Epsilon);
            }
            else
            {
                kernels.invoke("step", group.Weights, group.Gradients(), group.Means, group.Squares, group.Counts,
                    learningRate, options.Beta1, options.Beta2, group.Decay, options.Epsilon);
            }
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
        private readonly Tensor[] parameters;
        private long steps;

        public Group(IEnumerable<(string name, Parameter parameter)> named, IReadOnlyDictionary<string, Tensor>? weights, double decay)
        {
            var list = named.ToList();
            Decay = decay;
            names = [.. list.Select(p => p.name)];
            parameters = [.. list.Select(p => p.parameter)];
            Weights = weights is null ? parameters : [.. names.Select(n => weights[n].detach().clone().DetachFromDisposeScope())];
            Copies = weights is null ? null : parameters;
            Means = [.. Weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            Squares = [.. Weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            Counts = [.. Weights.Select(w => zeros(1, device: w.device).squeeze_(0).DetachFromDisposeScope())];
        }

        public double Decay { get; }
        public Tensor[] Weights { get; }
        public Tensor[]? Copies { get; }
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

        public IEnumerable<(string Name, Tensor Value)> Named => names.Select((n, i) => (n, Weights[i]));

        public void CopyToModel()
        {
            for (var i = 0; i < Copies?.Length; i++) Copies[i].copy_(Weights[i]);
        }

        public Tensor[] Gradients() => [.. parameters.Select((p, i) => p.grad
            ?? throw new InvalidOperationException($"The parameter {names[i]} has no gradient: it takes no part in the loss."))];

        public void Dispose()
        {
            foreach (var tensor in Means.Concat(Squares).Concat(Counts).Concat(Copies is null ? [] : Weights)) tensor.Dispose();
        }
    }
}
